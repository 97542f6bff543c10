use std::fs;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use super::FoldPolicy;
use crate::git::pack::index;

/// A pack that may be folded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    /// Its name without extension.
    pub(super) name: String,
    /// The size of the pack.
    pub(super) bytes: u64,
    /// How many objects it has.
    pub(super) objects: u64,
}

/// The packs that may be folded: complete, without a file that says that they are special.
pub(super) fn candidates(pack_dir: &Path, policy: &FoldPolicy) -> io::Result<Vec<Candidate>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(pack_dir)? {
        let file = entry?.file_name().to_string_lossy().into_owned();
        let Some(name) = file.strip_suffix(".idx").filter(|name| name.starts_with("pack-")) else { continue };
        let has = |extension: &str| pack_dir.join(format!("{name}.{extension}")).exists();
        // `.promisor` packs lack objects on purpose, `.mtimes` says how old unreachable ones are.
        if ["keep", "promisor", "mtimes"].into_iter().any(has)
            || policy.exclude.iter().any(|other| other == name)
        {
            continue;
        }
        match measure(pack_dir, name) {
            Ok(Some((bytes, objects)))
                if bytes <= policy.max_bytes / 2 && objects <= policy.max_objects / 2 =>
            {
                found.push(Candidate { name: name.to_owned(), bytes, objects });
            }
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::UnexpectedEof) => {}
            Err(error) => return Err(error),
        }
    }
    found.sort_by(|a, b| (a.objects, a.bytes, &a.name).cmp(&(b.objects, b.bytes, &b.name)));
    Ok(found)
}

fn measure(pack_dir: &Path, name: &str) -> io::Result<Option<(u64, u64)>> {
    let bytes = fs::metadata(pack_dir.join(format!("{name}.pack")))?.len();
    let mut head = [0; index::HEAD_BYTES];
    fs::File::open(pack_dir.join(format!("{name}.idx")))?.read_exact(&mut head)?;
    Ok(index::count(&head).map(|objects| (bytes, u64::from(objects))))
}

/// The packs to fold now, smallest first: all up to the largest size class that is full.
pub(super) fn choose(sorted: Vec<Candidate>, policy: &FoldPolicy) -> Vec<Candidate> {
    const CLASSES: usize = 16;
    let mut counts = [0usize; CLASSES];
    for candidate in &sorted {
        counts[class(candidate.objects)] += 1;
    }
    let enough = |class: usize| if class < 2 { policy.small_packs } else { policy.large_packs };
    let full = (0..CLASSES).rev().find(|&class| counts[class] >= enough(class).max(2));
    let Some(full) = full else { return Vec::new() };
    let (mut bytes, mut objects) = (0, 0);
    let mut chosen = Vec::new();
    for candidate in sorted {
        bytes += candidate.bytes;
        objects += candidate.objects;
        if class(candidate.objects) > full || bytes > policy.max_bytes || objects > policy.max_objects {
            break;
        }
        chosen.push(candidate);
    }
    chosen
}

/// The size class: each holds packs of sixteen times as many objects as the one before.
fn class(objects: u64) -> usize {
    (objects.max(1).ilog2() / 4) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packs(sizes: &[(usize, u64)]) -> Vec<Candidate> {
        let one = |objects: u64| Candidate { name: objects.to_string(), bytes: objects * 300, objects };
        sizes.iter().flat_map(|&(count, objects)| std::iter::repeat_n(one(objects), count)).collect()
    }

    #[test]
    fn a_full_class_takes_the_smaller_ones_along() {
        let policy = FoldPolicy::default();
        for (sizes, expected) in [
            (&[(31, 4)][..], 0),
            (&[(32, 4)], 32),
            (&[(5, 4), (15, 300)], 0),
            (&[(5, 4), (16, 300), (9, 5_000)], 21),
            (&[(32, 4), (15, 300), (15, 5_000)], 32),
            // As many of the largest as the limit of 256 MiB takes.
            (&[(3, 4), (16, 70_000)], 3 + 12),
        ] {
            assert_eq!(choose(packs(sizes), &policy).len(), expected, "{sizes:?}");
        }
    }

    #[test]
    fn the_number_of_packs_stays_bounded_and_work_logarithmic() {
        let policy = FoldPolicy::default();
        let (mut packs, mut copied, mut most) = (Vec::new(), 0, 0);
        for i in 0..200_000u64 {
            packs.push(Candidate { name: i.to_string(), bytes: 3_000, objects: 5 });
            packs.sort_by_key(|candidate| candidate.objects);
            let chosen = choose(packs.clone(), &policy);
            if !chosen.is_empty() {
                let objects: u64 = chosen.iter().map(|candidate| candidate.objects).sum();
                copied += objects;
                packs.retain(|candidate| !chosen.contains(candidate));
                packs.push(Candidate { name: format!("f{i}"), bytes: objects * 150, objects });
            }
            most = most.max(packs.len());
        }
        assert!(most < 100, "{most} packs");
        assert!(copied < 6 * 5 * 200_000, "{copied} objects copied");
    }
}
