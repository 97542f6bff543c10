use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::publish::install::{KEEP_MARKER, TMP_PREFIXES};
use super::quarantine;
use super::repository::Repository;

/// What a start-up sweep took away, relative to the repository.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Swept {
    /// The files removed.
    pub files: Vec<PathBuf>,
}

/// A lock, or a pack without an index, that stays unchanged for so long belongs to nobody: Git holds
/// either for milliseconds.
const QUIET: Duration = Duration::from_secs(1);

impl Repository {
    /// Takes away what a process that died has left: what it was receiving, unfinished packs, `.keep` files of ours with packs
    /// that never got their index, and locks of references.
    ///
    /// The caller holds the lock that keeps a second server out. Files that could belong to a Git process
    /// at work are watched for a second first; when there are none it takes no time.
    pub fn sweep(&self) -> io::Result<Swept> {
        let mut swept = Swept::default();
        quarantine::sweep(&self.dir().join("objects"), &mut swept.files)?;
        let pack_dir = self.pack_dir();
        for name in names(&pack_dir)? {
            let path = pack_dir.join(&name);
            if TMP_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
                self.remove(&path, &mut swept)?;
            } else if name.ends_with(".keep") && is_ours(&path)? {
                if !path.with_extension("idx").exists() {
                    self.remove(&path.with_extension("pack"), &mut swept)?;
                }
                self.remove(&path, &mut swept)?;
            }
        }
        let mut suspects = Vec::new();
        for name in names(&pack_dir)? {
            let path = pack_dir.join(&name);
            if name.ends_with(".pack") && !path.with_extension("idx").exists() {
                suspects.push(path);
            }
        }
        collect_locks(&self.dir().join("refs"), 0, &mut suspects)?;
        suspects.push(self.dir().join("packed-refs.lock"));
        // Nobody but us writes below refs/confgit.
        let own = self.dir().join("refs/confgit");
        let (own, foreign): (Vec<_>, Vec<_>) = suspects.into_iter().partition(|path| path.starts_with(&own));
        for path in own {
            self.remove(&path, &mut swept)?;
        }
        self.remove_quiet(foreign, &mut swept)?;
        Ok(swept)
    }

    fn remove_quiet(&self, suspects: Vec<PathBuf>, swept: &mut Swept) -> io::Result<()> {
        let seen: Vec<_> = suspects.into_iter().filter_map(|path| Some((stamp(&path)?, path))).collect();
        if seen.is_empty() {
            return Ok(());
        }
        std::thread::sleep(QUIET);
        for (before, path) in seen {
            let lonely = path.extension().is_none_or(|e| e != "pack") || !path.with_extension("idx").exists();
            if stamp(&path) == Some(before) && lonely {
                self.remove(&path, swept)?;
            }
        }
        Ok(())
    }

    fn remove(&self, path: &Path, swept: &mut Swept) -> io::Result<()> {
        match fs::remove_file(path) {
            Ok(()) => {
                swept.files.push(path.strip_prefix(self.dir()).unwrap_or(path).to_owned());
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn names(dir: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        names.extend(entry?.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

/// Whether a `.keep` file carries our marker. One that lost its content together with the power is ours
/// when its pack has no index; with an index it could be one that an administrator made with `touch`.
fn is_ours(path: &Path) -> io::Result<bool> {
    let text = fs::read(path)?;
    Ok(text == KEEP_MARKER.as_bytes() || (text.is_empty() && !path.with_extension("idx").exists()))
}

fn stamp(path: &Path) -> Option<(u64, SystemTime)> {
    use std::os::unix::fs::MetadataExt;
    let found = fs::symlink_metadata(path).ok()?;
    Some((found.ino(), found.modified().ok()?))
}

fn collect_locks(dir: &Path, depth: usize, locks: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            if depth < 64 {
                collect_locks(&path, depth + 1, locks)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "lock") {
            locks.push(path);
        }
    }
    Ok(())
}
