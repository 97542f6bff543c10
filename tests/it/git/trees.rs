use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use confgit::git::{Pack, Repository, WorkTree, publish};
use confgit::model::ObjectId;
use proptest::prelude::*;

use super::{Writer, fsck, git, git_command, packs, put};

/// What a `git` command says that is fed some text.
fn git_input(dir: &Path, args: &[&str], input: &str) -> String {
    let mut command = git_command(dir);
    let mut child = command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// What `git write-tree` makes of these files.
fn write_tree(dir: &Path, files: &BTreeMap<String, ObjectId>) -> String {
    let index = dir.join("test-index");
    let _ = std::fs::remove_file(&index);
    let lines: String = files.iter().map(|(path, id)| format!("100644 {id}\t{path}\n")).collect();
    let mut child = git_command(dir)
        .env("GIT_INDEX_FILE", &index)
        .args(["update-index", "--add", "--index-info"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), lines.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    let output =
        git_command(dir).env("GIT_INDEX_FILE", &index).args(["write-tree", "--missing-ok"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// What an edit does to a plain list of files.
fn apply(files: &mut BTreeMap<String, ObjectId>, path: &str, blob: Option<ObjectId>) -> bool {
    let before = files.clone();
    files.retain(|other, _| other != path && !other.starts_with(&format!("{path}/")));
    if let Some(blob) = blob {
        files.retain(|other, _| !path.starts_with(&format!("{other}/")));
        files.insert(path.to_owned(), blob);
    }
    *files != before
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn edits_make_the_trees_that_git_makes(
        batches in proptest::collection::vec(
            proptest::collection::vec(
                (proptest::collection::vec("[ab]|a[.]b|a0|a-", 1..4), proptest::option::weighted(0.7, 0u8..4)), 1..14,
            ), 1..4,
        ),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let repository = Repository::init(dir.path().join("r.git")).unwrap();
        let reader = repository.reader();
        let (mut tree, mut files, mut head) = (WorkTree::new(None), BTreeMap::new(), None);
        for edits in batches {
            let (mut pack, before, old_tree) = (Pack::new(), files.clone(), head);
            let mut root = pack.empty_tree().unwrap();
            for (parts, content) in edits {
                let path = parts.join("/");
                let blob = content.map(|content| pack.blob(&[content]).unwrap());
                let changed = apply(&mut files, &path, blob);
                prop_assert_eq!(tree.set(&reader, &path, blob).unwrap(), changed, "{}", path);
                prop_assert_eq!(tree.get(&reader, &path).unwrap().map(|(_, id)| id), blob);
                root = tree.write(&mut pack).unwrap();
            }
            prop_assert_eq!(root.to_string(), write_tree(repository.dir(), &files));
            publish(&repository, Some(pack.finish().unwrap()), None, &[]).unwrap();
            head = Some(root);
            // The comparison of the two trees is that of the two lists.
            let changes = reader.changed_files(old_tree, head, 1000).unwrap();
            let mut found: Vec<_> = changes.files.iter().map(|change| {
                (change.path.clone(), change.old.map(|(_, id)| id), change.new.map(|(_, id)| id))
            }).collect();
            found.sort();
            let mut expected: Vec<_> = before.keys().chain(files.keys()).map(|path| {
                (path.clone(), before.get(path).copied(), files.get(path).copied())
            }).filter(|(_, old, new)| old != new).collect();
            expected.sort();
            expected.dedup();
            prop_assert_eq!(found, expected);
            if parts_are_odd(&files) {
                tree = WorkTree::new(head);
            }
        }
    }
}

/// Every other time the tree is loaded anew, so that both ways are taken.
fn parts_are_odd(files: &BTreeMap<String, ObjectId>) -> bool {
    files.len() % 2 == 1
}

#[test]
fn wide_directories_are_edited_in_place() {
    let mut writer = Writer::new();
    let name = |i: usize| format!("app{i:04}/x.yaml");
    writer.batch(&[(0..3000).map(|i| put(&name(i), "first")).collect()]).unwrap();
    for round in 0..4 {
        let mut commits = Vec::new();
        for i in 0..60 {
            let at = (i * 997 + round * 31) % 3000;
            commits.push(match i % 10 {
                8 => vec![(format!("app{at:04}"), None)],
                9 => vec![put(&format!("app{at:04}b/x.yaml"), "new")],
                _ => vec![put(&name(at), &format!("{round} {i}"))],
            });
        }
        writer.batch(&commits).unwrap();
    }
    fsck(writer.dir());
    let reader = writer.repository.reader();
    let tree = reader.commit(writer.head.unwrap()).unwrap().tree;
    let changes = reader.changed_files(None, Some(tree), 10_000).unwrap();
    let files = changes.files.into_iter().map(|change| (change.path, change.new.unwrap().1)).collect();
    assert_eq!(write_tree(writer.dir(), &files), tree.to_string());
    let full: u64 = git(writer.dir(), &["rev-list", "--count", "main"]).parse().unwrap();
    let disk: u64 = packs(writer.dir())
        .iter()
        .map(|name| std::fs::metadata(writer.dir().join("objects/pack").join(name)).unwrap().len())
        .sum();
    assert!(disk < full * 100_000 / 10, "{disk} bytes for {full} commits");
    assert!(matches!(
        reader.changed_files(None, Some(tree), 10),
        Err(confgit::git::ReadError::TooManyFiles { limit: 10 })
    ));
}

#[test]
fn hostile_paths_are_refused() {
    let mut writer = Writer::new();
    let reader = writer.repository.reader();
    let blob = Some(ObjectId::from_bytes([1; 20]));
    for bad in [
        "",
        "/a",
        "a/",
        "a//b",
        ".",
        "..",
        "a/../b",
        ".git",
        ".GIT/x",
        "a/.git",
        "git~1",
        ".git ",
        "a\\.git",
        "a\0b",
        ".g\u{200c}it",
    ] {
        assert!(writer.tree.set(&reader, bad, blob).is_err(), "{bad:?}");
    }
    for good in [".confgit/keys", "a\\b", "a b", "ünï", ".gitx", "CON", "a:b", "..."] {
        assert!(writer.tree.set(&reader, good, blob).unwrap(), "{good:?}");
    }
}

#[test]
fn deep_directories_are_refused_without_harm() {
    let mut writer = Writer::new();
    let deepest = vec!["d"; 256].join("/");
    writer.batch(&[vec![put(&deepest, "x")]]).unwrap();
    let reader = writer.repository.reader();
    let too_deep = format!("{deepest}/d");
    assert!(writer.tree.set(&reader, &too_deep, Some(ObjectId::from_bytes([1; 20]))).is_err());
    let mut root = writer.tree.write(&mut Pack::new()).unwrap();
    assert_eq!(reader.changed_files(None, Some(root), 10).unwrap().files.len(), 1);
    for _ in 0..10 {
        // One more directory around it, which only Git would make.
        let line = format!("040000 tree {root}\td\n");
        root = git_input(writer.dir(), &["mktree"], &line).parse().unwrap();
    }
    let found = reader.changed_files(None, Some(root), 10);
    assert!(matches!(found, Err(confgit::git::ReadError::TooDeep { limit: 256, .. })));
}
