use std::collections::HashSet;
use std::time::SystemTime;

use confgit::git::{
    CutError, CutPlan, Ends, Pruned, Reachable, cut_at, fold, prunable, prune, prune_finish, would_lose,
};
use confgit::model::ObjectId;

use super::{Writer, document, eager, fsck, git, packs, put};

const GO_ON: &dyn Fn() -> bool = &|| false;

fn lines(dir: &std::path::Path, args: &[&str]) -> Vec<String> {
    let mut lines: Vec<String> = git(dir, args).lines().map(str::to_owned).collect();
    lines.sort();
    lines.dedup();
    lines
}

fn objects(writer: &Writer) -> Vec<String> {
    lines(writer.dir(), &["cat-file", "--batch-all-objects", "--batch-check=%(objectname)"])
}

fn wanted(writer: &Writer) -> Vec<String> {
    lines(writer.dir(), &["rev-list", "--objects", "--no-object-names", "--all"])
}

/// Cuts main and the journal at these commits, and takes away what is before them.
fn cut(writer: &Writer, heads: &[ObjectId]) -> Pruned {
    let ignored = HashSet::new();
    let plan = CutPlan { heads, single: &[], ignored: &ignored };
    let none = std::iter::empty::<Result<_, CutError>>();
    let shallow = cut_at(&writer.repository, &plan, none, GO_ON).unwrap();
    assert_eq!(shallow, heads.iter().copied().collect());
    writer.repository.set_ends(Ends { shallow, ..Ends::default() }).unwrap();
    let old = prunable(&writer.repository).unwrap();
    let reachable = Reachable::find(&writer.repository, &[], GO_ON).unwrap();
    let mut named = Vec::new();
    let pruned =
        prune(&writer.repository, &reachable, &old, GO_ON, &mut |name| named.push(name.to_owned())).unwrap();
    assert_eq!(named, pruned.made);
    fsck(writer.dir());
    assert!(prune_finish(&writer.repository, &reachable, &pruned, SystemTime::now()).unwrap());
    pruned
}

#[test]
fn what_is_before_the_cut_goes_and_what_was_a_delta_against_it_is_written_anew() {
    for folds in [false, true] {
        let mut writer = Writer::new();
        // Many folders, so that trees are deltas, and values that come back again and again.
        let first = (0..300).map(|n| put(&format!("folder{n}/a.yaml"), &document(n, 0))).collect();
        writer.batch(&[first]).unwrap();
        let mut heads = Vec::new();
        for n in 1..=40 {
            let commits = [n, n + 1].map(|n| {
                let path = format!("folder{}/a.yaml", n % 3);
                vec![put(&path, &document(n % 3, n % 4)), put("flag.yaml", ["on", "off"][n % 2])]
            });
            writer.batch(&commits).unwrap();
            heads.push((writer.head.unwrap(), writer.tip.unwrap()));
            while folds
                && fold(&writer.repository, &eager()).unwrap().is_some_and(|report| {
                    confgit::git::fold_finish(&writer.repository, &report.superseded).unwrap() > 0
                })
            {}
        }
        let (head, tip) = heads[29];
        let before = objects(&writer).len();
        let kept = git(writer.dir(), &["log", "--format=%H %T", "-20", "main"]);
        let pruned = cut(&writer, &[head, tip]);
        assert_eq!(git(writer.dir(), &["log", "--format=%H %T", "-20", "main"]), kept);
        assert_eq!(git(writer.dir(), &["rev-list", "--count", "main"]), "21");
        assert_eq!(objects(&writer), wanted(&writer));
        assert_eq!(before - objects(&writer).len(), pruned.objects.0 - pruned.objects.1);
        fsck(writer.dir());
        // What is kept is read in a process that knew the old packs, and the next batch follows it.
        let reader = writer.repository.reader();
        assert_eq!(reader.commit(head).unwrap().parents, []);
        writer.batch(&[vec![put("flag.yaml", "later")]]).unwrap();
        fsck(writer.dir());
        // Once more, with a cut after the first; then nothing is left to do.
        cut(&writer, &[writer.head.unwrap(), writer.tip.unwrap()]);
        assert_eq!(git(writer.dir(), &["rev-list", "--count", "main"]), "1");
        assert_eq!(objects(&writer), wanted(&writer));
        fsck(writer.dir());
        assert_eq!(cut(&writer, &[writer.head.unwrap(), writer.tip.unwrap()]).packs, [""; 0]);
    }
}

#[test]
fn trees_that_come_back_are_kept_whole() {
    let mut writer = Writer::new();
    writer
        .batch(&[vec![put("same.yaml", "1"), put("flag.yaml", "off"), put("deep/same.yaml", "2")]])
        .unwrap();
    for value in ["on", "off", "on", "off", "on"] {
        writer.batch(&[vec![put("flag.yaml", value)]]).unwrap();
    }
    let (head, tip) = (writer.head.unwrap(), writer.tip.unwrap());
    for value in ["off", "on", "off"] {
        writer.batch(&[vec![put("flag.yaml", value)]]).unwrap();
    }
    cut(&writer, &[head, tip]);
    assert_eq!(objects(&writer), wanted(&writer));
    fsck(writer.dir());
}

#[test]
fn where_somebody_else_repacked_meanwhile_nothing_is_removed() {
    let mut writer = Writer::new();
    for n in 0..5 {
        writer.batch(&[vec![put("a.yaml", &document(1, n))]]).unwrap();
    }
    let heads = [writer.head.unwrap(), writer.tip.unwrap()];
    writer.repository.set_ends(Ends { shallow: heads.into(), ..Ends::default() }).unwrap();
    let names = prunable(&writer.repository).unwrap();
    let reachable = Reachable::find(&writer.repository, &[], GO_ON).unwrap();
    let pruned = prune(&writer.repository, &reachable, &names, GO_ON, &mut |_| {}).unwrap();
    git(writer.dir(), &["repack", "-adq"]);
    let left = packs(writer.dir());
    let is_done = prune_finish(&writer.repository, &reachable, &pruned, SystemTime::now()).unwrap();
    // Git may have come to the very same pack.
    assert!(is_done == left.iter().any(|name| pruned.made.contains(&name.replace(".pack", ""))));
    assert_eq!(packs(writer.dir()), left);
    fsck(writer.dir());
}

#[test]
fn what_somebody_pushes_again_meanwhile_is_noticed() {
    let mut writer = Writer::new();
    for n in 0..20 {
        writer.batch(&[vec![put("a.yaml", &document(1, n))]]).unwrap();
    }
    let old = git(writer.dir(), &["rev-parse", "main~15"]);
    let heads = [writer.head.unwrap(), writer.tip.unwrap()];
    writer.repository.set_ends(Ends { shallow: heads.into(), ..Ends::default() }).unwrap();
    let names = prunable(&writer.repository).unwrap();
    let mut reachable = Reachable::find(&writer.repository, &[], GO_ON).unwrap();
    let pruned = prune(&writer.repository, &reachable, &names, GO_ON, &mut |_| {}).unwrap();
    let found = reachable.extend(&writer.repository, &[], GO_ON).unwrap();
    assert!(found.is_empty() && !would_lose(&writer.repository, &pruned, &found).unwrap());
    // A value that was there before is packed again by who writes it: nothing is lost with the old packs.
    writer.batch(&[vec![put("a.yaml", &document(1, 3))]]).unwrap();
    let found = reachable.extend(&writer.repository, &[], GO_ON).unwrap();
    assert!(!found.is_empty() && !would_lose(&writer.repository, &pruned, &found).unwrap());
    git(writer.dir(), &["update-ref", "refs/heads/again", &old]);
    let found = reachable.extend(&writer.repository, &[], GO_ON).unwrap();
    assert!(would_lose(&writer.repository, &pruned, &found).unwrap());
}

#[test]
fn it_ends_when_asked_to_and_special_packs_stay() {
    let mut writer = Writer::new();
    for n in 0..5 {
        writer.batch(&[vec![put("a.yaml", &document(1, n))]]).unwrap();
    }
    let heads = [writer.head.unwrap(), writer.tip.unwrap()];
    writer.repository.set_ends(Ends { shallow: heads.into(), ..Ends::default() }).unwrap();
    let stopped = Reachable::find(&writer.repository, &[], &|| true);
    assert!(matches!(stopped, Err(CutError::Stopped)));
    let kept = packs(writer.dir())[0].replace(".pack", ".keep");
    std::fs::write(writer.dir().join("objects/pack").join(&kept), "mine").unwrap();
    let names = prunable(&writer.repository).unwrap();
    assert_eq!(names.len(), 4);
    let reachable = Reachable::find(&writer.repository, &[], GO_ON).unwrap();
    assert!(prune(&writer.repository, &reachable, &names, &|| true, &mut |_| {}).is_err());
    let pruned = prune(&writer.repository, &reachable, &names, GO_ON, &mut |_| {}).unwrap();
    assert!(prune_finish(&writer.repository, &reachable, &pruned, SystemTime::now()).unwrap());
    assert!(packs(writer.dir()).contains(&kept.replace(".keep", ".pack")));
    fsck(writer.dir());
}
