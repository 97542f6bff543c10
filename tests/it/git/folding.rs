use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use confgit::git::{FoldError, FoldPolicy, fold, fold_finish, journal};
use confgit::model::Sequence;

use super::{Writer, document, eager, fsck, git, git_command, packs, put};

#[test]
fn folding_keeps_every_object_and_saves_room() {
    let mut writer = Writer::new();
    let mut all = Vec::new();
    for round in 0..30 {
        let commits = (0..10).map(|i| {
            let name = (round * 13 + i * 5) % 17;
            vec![put(&format!("team{}/app{name}.yaml", name % 3), &document(name, round * 10 + i))]
        });
        writer.batch(&commits.collect::<Vec<_>>()).unwrap();
        if round % 10 == 9 {
            all = git(writer.dir(), &["rev-list", "--objects", "--all"]).lines().map(str::to_owned).collect();
            let mut folds = 0;
            while let Some(report) = fold(&writer.repository, &eager()).unwrap() {
                assert!(report.bytes_after < report.bytes_before, "{report:?}");
                assert!(fold_finish(&writer.repository, &report.superseded).unwrap() > 0);
                folds += 1;
            }
            assert!(folds > 0 && packs(writer.dir()).len() <= 2);
            fsck(writer.dir());
        }
    }
    let dir = writer.dir();
    let now: Vec<String> = git(dir, &["rev-list", "--objects", "--all"]).lines().map(str::to_owned).collect();
    assert_eq!(now, all);
    assert_eq!(git(dir, &["show", "main:team0/app3.yaml"]).lines().count(), 60);
    assert_eq!(fold(&writer.repository, &eager()).unwrap(), None);
    let all_packs = packs(dir);
    let size = |name: &String| std::fs::metadata(dir.join("objects/pack").join(name)).unwrap().len();
    let ours: u64 = all_packs.iter().map(size).sum();
    let deepest =
        git(dir, &["verify-pack", "-v", &format!("objects/pack/{}", all_packs[0].replace(".pack", ".idx"))]);
    let chains = deepest
        .lines()
        .filter_map(|line| line.strip_prefix("chain length = ")?.split(':').next()?.parse().ok());
    assert!(chains.max().unwrap_or(0) <= 41);
    git(dir, &["repack", "-a", "-d", "-f", "-q"]);
    let theirs = size(&packs(dir)[0]);
    assert!(ours < 3 * theirs, "{ours} bytes, git has {theirs}");
    // The reader that was open all the time finds its objects in the pack that Git made.
    writer.reopen();
    writer.batch(&[vec![put("last.yaml", "1")]]).unwrap();
    fsck(writer.dir());
}

/// Says on its end that a test is over.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn folding_publishing_and_an_outside_repack_go_together() {
    let mut writer = Writer::new();
    writer.batch(&[vec![put("a.yaml", "1")]]).unwrap();
    let (done, tip) = (AtomicBool::new(false), Mutex::new(writer.tip));
    let dir = writer.dir().to_owned();
    let repository = writer.repository.clone();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for i in 0.. {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                let args: &[&str] = if i % 3 == 2 { &["gc", "-q"] } else { &["repack", "-a", "-d", "-q"] };
                // It may give up when references move or, after so short a grace, packs go under its hands;
                // what counts is that nothing is lost. Readers find their objects all the same.
                let _ = git_command(&dir).args(args).output().unwrap();
                git(&dir, &["log", "-3", "--raw", "main"]);
            }
        });
        scope.spawn(|| {
            let mut superseded = Vec::new();
            while !done.load(Ordering::Relaxed) {
                for old in superseded.drain(..) {
                    std::thread::sleep(std::time::Duration::from_millis(300));
                    fold_finish(&repository, &old).unwrap();
                }
                superseded.extend(fold(&repository, &eager()).unwrap().map(|report| report.superseded));
            }
        });
        scope.spawn(|| {
            // One reader for all the time: its packs vanish and come under other names.
            let reader = repository.reader();
            let mut reads = 0;
            while !done.load(Ordering::Relaxed) {
                let tip = tip.lock().unwrap().unwrap();
                for change_set in journal::read(&reader, tip, Sequence(0)).unwrap() {
                    let commit = reader.commit(change_set.moves[0].new.unwrap()).unwrap();
                    reader.changed_files(None, Some(commit.tree), 100).unwrap();
                    reads += 1;
                }
            }
            assert!(reads > 0);
        });
        // The others end with this thread, also when it fails.
        let _end = End(&done);
        let start = std::time::Instant::now();
        for i in 0.. {
            if start.elapsed() > std::time::Duration::from_secs(3) {
                break;
            }
            let commits: Vec<_> =
                (0..3).map(|j| vec![put(&format!("d{}/a.yaml", j * i % 7), &document(i, j))]).collect();
            writer.batch(&commits).unwrap();
            *tip.lock().unwrap() = writer.tip;
            if i % 20 == 0 {
                writer.reopen();
            }
        }
    });
    fsck(writer.dir());
    let count = git(writer.dir(), &["rev-list", "--count", "main"]);
    assert_eq!(count, writer.sequence.to_string());
    let reader = writer.repository.reader();
    assert_eq!(
        journal::read(&reader, writer.tip.unwrap(), Sequence(0)).unwrap().len(),
        writer.sequence.0 as usize
    );
}

#[test]
fn a_damaged_pack_is_named_and_left_alone() {
    let mut writer = Writer::new();
    for i in 0..3 {
        writer.batch(&[vec![put("a.yaml", &document(0, i))]]).unwrap();
    }
    let victim = packs(writer.dir())[0].clone();
    let path = writer.dir().join("objects/pack").join(&victim);
    let whole = std::fs::read(&path).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    for at in (12..whole.len() - 20).step_by(7) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x20;
        std::fs::write(&path, &bytes).unwrap();
        let before = writer.files();
        match fold(&writer.repository, &eager()) {
            Err(FoldError::BadPack { pack, .. }) => assert_eq!(format!("{pack}.pack"), victim),
            other => panic!("byte {at}: {other:?}"),
        }
        assert_eq!(writer.files(), before);
    }
    let policy = FoldPolicy { exclude: vec![victim.replace(".pack", "")], ..eager() };
    assert!(fold(&writer.repository, &policy).unwrap().is_some());
}

#[test]
fn packs_with_deltas_by_reference_are_folded_too() {
    let mut writer = Writer::new();
    for i in 0..4 {
        writer.batch(&[vec![put("a.yaml", &document(0, i)), put("b/c.yaml", &document(1, i))]]).unwrap();
    }
    git(writer.dir(), &["config", "repack.useDeltaBaseOffset", "false"]);
    git(writer.dir(), &["repack", "-a", "-d", "-f", "-q"]);
    for i in 4..8 {
        writer.batch(&[vec![put("a.yaml", &document(0, i))]]).unwrap();
    }
    while let Some(report) = fold(&writer.repository, &eager()).unwrap() {
        fold_finish(&writer.repository, &report.superseded).unwrap();
    }
    assert_eq!(packs(writer.dir()).len(), 1);
    fsck(writer.dir());
}
