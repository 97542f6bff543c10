//! Archives that were made, or changed, by somebody who means no good: each is refused, and nothing is left.

use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tar::{EntryType, Header};

use super::{back_up, members, run};
use crate::harness::TestProject;

/// A member of an archive in the making.
#[derive(Clone)]
struct Member {
    name: String,
    kind: EntryType,
    content: Vec<u8>,
}

impl Member {
    fn file(name: &str, content: &[u8]) -> Self {
        Member { name: name.to_owned(), kind: EntryType::Regular, content: content.to_vec() }
    }

    fn of_kind(name: &str, kind: EntryType) -> Self {
        Member { name: name.to_owned(), kind, content: Vec::new() }
    }
}

fn write(members: &[Member]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for member in members {
        let mut header = Header::new_ustar();
        // Set by hand, since the crate refuses the names that matter here.
        header.as_mut_bytes()[..member.name.len()].copy_from_slice(member.name.as_bytes());
        header.set_entry_type(member.kind);
        header.set_size(member.content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(&member.content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

/// A real archive, taken to pieces.
struct Good(Vec<Member>);

impl Good {
    fn with_manifest(&self, change: impl FnOnce(&mut Value)) -> Vec<Member> {
        let mut members = self.0.clone();
        let mut manifest = serde_json::from_slice(&members[0].content).unwrap();
        change(&mut manifest);
        members[0].content = manifest.to_string().into_bytes();
        members
    }

    /// With a further member that the manifest lists rightly.
    fn with_listed(&self, name: &str, content: &[u8]) -> Vec<Member> {
        let hash: String = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
        let listed = json!({"name": name, "size": content.len(), "sha256": hash});
        let mut members =
            self.with_manifest(|manifest| manifest["files"].as_array_mut().unwrap().push(listed));
        members.push(Member::file(name, content));
        members
    }

    fn with(&self, member: Member) -> Vec<Member> {
        [&self.0[..], &[member]].concat()
    }

    fn position(&self, name: &str) -> usize {
        self.0.iter().position(|member| member.name.ends_with(name)).unwrap()
    }

    /// With the content of a member, and what the manifest says of it, replaced.
    fn with_content(&self, name: &str, content: &[u8]) -> Vec<Member> {
        let at = self.position(name);
        let full = self.0[at].name.clone();
        let hash: String = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
        let mut members = self.with_manifest(|manifest| {
            let files = manifest["files"].as_array_mut().unwrap();
            let file = files.iter_mut().find(|file| file["name"] == full.as_str()).unwrap();
            *file = json!({"name": full, "size": content.len(), "sha256": hash});
        });
        members[at].content = content.to_vec();
        members
    }
}

fn good(project: &TestProject) -> Good {
    let folders = ["config.git/refs/", "meta.git/refs/"];
    let members = members(&back_up(project)).into_iter().map(|(name, content)| {
        let kind = if folders.contains(&name.as_str()) { EntryType::Directory } else { EntryType::Regular };
        Member { name, kind, content }
    });
    Good(members.collect())
}

/// Restores an archive, which must be refused with these words and leave nothing behind.
#[track_caller]
fn refused(bytes: &[u8], says: &str, code: i32) {
    let place = tempfile::tempdir().unwrap();
    let (file, dir) = (place.path().join("b.tar"), place.path().join("new"));
    std::fs::write(&file, bytes).unwrap();
    let stderr = run(&["restore", file.to_str().unwrap(), dir.to_str().unwrap()]).fails(code);
    assert!(stderr.contains(says), "expected `{says}`: {stderr}");
    assert_eq!(names(place.path()), ["b.tar"], "{says}");
}

fn names(dir: &Path) -> Vec<String> {
    std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn hostile_members_are_refused() {
    let project = TestProject::example();
    let good = good(&project);
    let link = |kind| Member::of_kind("config.git/objects/link", kind);
    let head = good.0[good.position("config.git/HEAD")].clone();
    for (members, says) in [
        (good.with(Member::file("/etc/cron.d/evil", b"x")), "absolute name"),
        (good.with(Member::file("../evil", b"x")), "climbs out"),
        (good.with(Member::file("config.git/../../evil", b"x")), "climbs out"),
        (good.with(link(EntryType::Symlink)), "is a symbolic link"),
        (good.with(link(EntryType::Link)), "is a hard link"),
        (good.with(link(EntryType::Char)), "is a device"),
        (good.with(link(EntryType::Block)), "is a device"),
        (good.with(link(EntryType::Fifo)), "is a pipe"),
        (good.with(link(EntryType::Directory)), "is a directory"),
        (good.with(Member { kind: EntryType::GNULongName, ..head.clone() }), "renames what follows"),
        (good.with(Member { kind: EntryType::XHeader, ..head.clone() }), "renames what follows"),
        (good.with(Member { kind: EntryType::XGlobalHeader, ..head.clone() }), "renames what follows"),
        (good.with(Member { kind: EntryType::GNUSparse, ..head.clone() }), "of another kind"),
        (good.with(head.clone()), "comes twice"),
        (good.with(good.0[0].clone()), "comes twice"),
        (good.with(Member::file("config.git/hooks/post-receive", b"#!/bin/sh")), "not in its manifest"),
        (good.with(Member::file("evil", b"x")), "not in its manifest"),
        (good.0[1..].to_vec(), "does not begin with manifest.json"),
        (good.0[..good.0.len() - 1].to_vec(), "are missing"),
        (Vec::new(), "does not begin with manifest.json"),
    ] {
        refused(&write(&members), says, 4);
    }
}

#[test]
fn hostile_manifests_are_refused() {
    let project = TestProject::example();
    let good = good(&project);
    let set = |member: &'static str, value: Value| good.with_manifest(|manifest| manifest[member] = value);
    let file = |change: fn(&mut Value)| {
        good.with_manifest(|manifest| change(manifest["files"].as_array_mut().unwrap().last_mut().unwrap()))
    };
    let refs = |name: &str, id: &str| {
        good.with_manifest(|manifest| manifest["repositories"]["config.git"]["refs"][name] = json!(id))
    };
    let id = "0123456789abcdef0123456789abcdef01234567";
    for (members, says) in [
        (set("format", json!(2)), "is of format 2"),
        (set("format", json!("x")), "manifest cannot be used"),
        (set("files", json!(7)), "manifest cannot be used"),
        (set("files", json!([])), "does not list config.git/HEAD"),
        (set("repositories", json!({"config.git": {"refs": {}}})), "no references of meta.git"),
        (file(|file| file["size"] = json!(1)), "and its manifest says 1"),
        (file(|file| file["sha256"] = json!("00")), "does not have the SHA-256"),
        (refs("refs/heads/../../x", id), "is no reference"),
        (refs("refs/heads/x", "zz"), "is no reference"),
        (refs("refs/heads/x", id), "does not say what its manifest says"),
        (good.with_content("config.git/packed-refs", b""), "does not say what its manifest says"),
        (good.with_listed("config.git/hooks/post-receive", b"#!/bin/sh"), "which no backup has"),
        (good.with_listed("config.git/objects/info/alternates", b"/"), "which no backup has"),
        (good.with_listed("../evil", b"x"), "which no backup has"),
        (good.with_listed("/evil", b"x"), "which no backup has"),
        (good.with_listed("derived/history", b"x"), "which no backup has"),
        (good.with_listed("config.git/HEAD", b"x"), "twice"),
    ] {
        refused(&write(&members), says, 4);
    }
}

#[test]
fn broken_archives_are_refused() {
    let project = TestProject::example();
    let good = good(&project);
    let whole = write(&good.0);
    for length in [0, 100, 512, 5_000, whole.len() / 2] {
        let says = if length == 0 { "does not begin with manifest.json" } else { "cut short" };
        refused(&whole[..length], says, 4);
    }
    refused(b"no tar at all, and long enough to be taken for a header", "cut short", 4);
    refused(&[0x1f, 0x8b, 1, 2, 3], "cut short", 4);
    refused(&[&whole[..], b"and more"].concat(), "something follows its end", 4);
    let mut flipped = whole.clone();
    let at = whole.windows(4).position(|window| window == b"PACK").unwrap() + 40;
    flipped[at] ^= 1;
    refused(&flipped, "does not have the SHA-256", 4);
}

#[test]
fn what_does_not_hold_together_is_restored_on_demand_only() {
    let project = TestProject::example();
    let good = good(&project);
    let at = good.position(".pack");
    let mut content = good.0[at].content.clone();
    let middle = content.len() / 2;
    content[middle] ^= 1;
    let bytes = write(&good.with_content(&good.0[at].name, &content));
    refused(&bytes, "found damage", 4);
    let place = tempfile::tempdir().unwrap();
    let (file, dir) = (place.path().join("b.tar"), place.path().join("new"));
    std::fs::write(&file, &bytes).unwrap();
    run(&["restore", file.to_str().unwrap(), dir.to_str().unwrap(), "--no-check"]).ok();
}

#[test]
fn git_settings_of_an_archive_are_replaced() {
    let project = TestProject::example();
    let members =
        good(&project).with_content("config.git/config", b"[core]\n\tbare = true\n\tfsmonitor = /bin/evil\n");
    let place = tempfile::tempdir().unwrap();
    let (file, dir) = (place.path().join("b.tar"), place.path().join("new"));
    std::fs::write(&file, write(&members)).unwrap();
    run(&["restore", file.to_str().unwrap(), dir.to_str().unwrap()]).ok();
    let restored = std::fs::read(dir.join("config.git/config")).unwrap();
    assert_eq!(restored, std::fs::read(project.config_git().join("config")).unwrap());
}
