use std::io::{self, Read};

use flate2::read::MultiGzDecoder;
use tar::{Archive, Entry, EntryType};

use super::{FileTree, Import, ImportError, MOST_SOURCE_BYTES, TreeLimits};
use crate::model::Path;

/// The most bytes that an archive may have once it is unpacked, headers and what is left out included.
const MOST_UNPACKED_BYTES: u64 = 2 * MOST_SOURCE_BYTES as u64;

/// How many entries of any kind are looked at.
const MOST_ENTRIES: usize = 1_000_000;

const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Whether bytes are those of a tar archive, or of something that gzip packed.
pub fn is_archive(bytes: &[u8]) -> bool {
    bytes.starts_with(&GZIP) || bytes.get(257..262) == Some(b"ustar")
}

/// Reads the files of a tar archive, which gzip may have packed.
///
/// Nothing is unpacked to a disk. Names that climb out (`..`, absolute), links and devices are refused; what a
/// folder would leave out is left out here too.
pub fn read_archive(bytes: &[u8], to: &Path, limits: TreeLimits) -> Result<Import, ImportError> {
    if bytes.starts_with(&GZIP) {
        read(MultiGzDecoder::new(bytes), to, limits)
    } else {
        read(bytes, to, limits)
    }
}

fn read(unpacked: impl Read, to: &Path, limits: TreeLimits) -> Result<Import, ImportError> {
    let mut archive = Archive::new(Bounded { source: unpacked, left: MOST_UNPACKED_BYTES });
    let mut tree = FileTree::new(limits);
    for (index, entry) in archive.entries().map_err(broken)?.enumerate() {
        if index >= MOST_ENTRIES {
            return Err(ImportError::TooMuch { limit: format!("{MOST_ENTRIES} entries") });
        }
        take(&mut tree, &mut entry.map_err(broken)?)?;
    }
    tree.finish(to)
}

fn take(tree: &mut FileTree, entry: &mut Entry<'_, impl Read>) -> Result<(), ImportError> {
    let full = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
    let is_text = std::str::from_utf8(&entry.path_bytes()).is_ok();
    let kind = entry.header().entry_type();
    if matches!(kind, EntryType::XGlobalHeader) {
        return Ok(());
    }
    // `tar -C folder .` writes a dot in front of every name.
    let name = full.trim_end_matches('/');
    let name = name.strip_prefix("./").unwrap_or(name);
    if full.starts_with('/') || name.split('/').any(|part| part == "..") {
        tree.fault(&full, "it climbs out of the archive");
        return Ok(());
    }
    match kind {
        EntryType::Directory => return Ok(()),
        EntryType::Regular | EntryType::Continuous => {}
        EntryType::Symlink | EntryType::Link => {
            tree.fault(&full, "it is a link");
            return Ok(());
        }
        _ => {
            tree.fault(&full, "it is no plain file");
            return Ok(());
        }
    }
    if !is_text || name.is_empty() || name.split('/').any(|part| part.is_empty() || part == ".") {
        tree.fault(&full, "no path can have this name");
        return Ok(());
    }
    let size = entry.size();
    if !tree.admits(name) || !tree.has_room(name, size)? {
        return Ok(());
    }
    let mut content = Vec::new();
    entry.read_to_end(&mut content).map_err(broken)?;
    if content.len() as u64 != size {
        return Err(ImportError::shape(format!("the archive ends within {name}")));
    }
    tree.add(name.to_owned(), content);
    Ok(())
}

/// A source that fails, rather than ends, where it has given all that is taken of it.
struct Bounded<R> {
    source: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.left = self
            .left
            .checked_sub(count as u64)
            .ok_or_else(|| io::Error::other(format!("it has more than {MOST_UNPACKED_BYTES} bytes")))?;
        Ok(count)
    }
}

fn broken(error: io::Error) -> ImportError {
    ImportError::shape(format!("the archive cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const LIMITS: TreeLimits = TreeLimits { file_bytes: 100, total_bytes: 1_000, files: 3 };

    /// One entry, written by hand: the builder of the crate refuses names that climb out.
    fn entry(name: &str, kind: u8, content: &[u8]) -> Vec<u8> {
        let mut header = [0_u8; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[100..107].copy_from_slice(b"0000644");
        header[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
        header[148..156].copy_from_slice(b"        ");
        header[156] = kind;
        header[257..265].copy_from_slice(b"ustar\x0000");
        let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let mut bytes = header.to_vec();
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        bytes
    }

    fn archive(entries: &[Vec<u8>]) -> Vec<u8> {
        [entries.concat(), vec![0; 1024]].concat()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn files_are_taken_as_they_are() {
        let bytes = archive(&[
            entry("./", b'5', b""),
            entry("./b.yaml", b'0', b"# why\nb: 1\n"),
            entry("a/x.txt", b'0', b"\xff"),
            entry("a/.env", b'0', b"A=1"),
            entry(".confgit/variables.yaml", b'0', b"A: 1"),
        ]);
        for bytes in [bytes.clone(), gzip(&bytes)] {
            assert!(is_archive(&bytes));
            let import = read_archive(&bytes, &"/to".parse().unwrap(), LIMITS).unwrap();
            let names: Vec<&str> = import.files.iter().map(|file| file.name.as_str()).collect();
            assert_eq!(names, ["to/.confgit/variables.yaml", "to/a/x.txt", "to/b.yaml"]);
            assert_eq!(import.files[2].content, b"# why\nb: 1\n");
            assert_eq!(import.left_out[0].name, "a/.env");
        }
    }

    #[test]
    fn what_is_dangerous_is_refused_by_name() {
        let bytes = archive(&[
            entry("../a.yaml", b'0', b""),
            entry("/b.yaml", b'0', b""),
            entry("c/../../d.yaml", b'0', b""),
            entry("e", b'2', b""),
            entry("f", b'1', b""),
            entry("g", b'3', b""),
            entry("h", b'0', &[b'x'; 101]),
            entry("i//j", b'0', b""),
            entry("k", b'0', b""),
            entry("k", b'0', b""),
        ]);
        let Err(ImportError::Faults { faults }) = read_archive(&bytes, &Path::root(), LIMITS) else {
            panic!()
        };
        let names: Vec<&str> = faults.iter().map(|fault| fault.name.as_str()).collect();
        assert_eq!(names, ["../a.yaml", "/b.yaml", "c/../../d.yaml", "e", "f", "g", "h", "i//j", "k"]);
    }

    #[test]
    fn bounds_hold() {
        let file = |name: &str, size: usize| entry(name, b'0', &vec![b'x'; size]);
        let read = |bytes: &[u8]| read_archive(bytes, &Path::root(), LIMITS).unwrap_err().to_string();
        let many = archive(&["a", "b", "c", "d"].map(|name| file(name, 1)));
        assert!(read(&many).contains("3 files"));
        let large = TreeLimits { total_bytes: 150, ..LIMITS };
        let bytes = archive(&[file("a", 100), file("b", 100)]);
        let error = read_archive(&bytes, &Path::root(), large).unwrap_err();
        assert!(error.to_string().contains("150 bytes"), "{error}");
        let whole = archive(&[file("a", 90), file("b", 90)]);
        for cut in [100, 600, 1_100, 1_500] {
            let cut = read_archive(&whole[..cut], &Path::root(), LIMITS);
            assert!(cut.as_ref().is_err() || cut.unwrap().files.len() == 1);
        }
        assert!(read(&whole[..550]).contains("ends within a"), "{}", read(&whole[..550]));
        assert!(read(&gzip(&whole)[..40]).contains("cannot be read"));
        // A header that promises more than any archive may hold.
        let mut lie = file("a", 0);
        lie[124..136].copy_from_slice(b"77777777777\0");
        assert!(!read(&lie).is_empty());
        // A name that unpacks to hundreds of megabytes.
        let mut bomb = entry("././@LongLink", b'L', b"");
        bomb[124..135].copy_from_slice(format!("{:011o}", 1_u64 << 32).as_bytes());
        bomb[148..156].copy_from_slice(b"        ");
        let sum: u32 = bomb[..512].iter().map(|&byte| u32::from(byte)).sum();
        bomb[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        assert!(!read(&bomb).is_empty());
    }

    #[test]
    fn the_tree_of_a_project_is_told_what_to_use() {
        let bytes = archive(&[entry("meta/settings.yaml", b'0', b""), entry("base/a.yaml", b'0', b"")]);
        let error = read_archive(&bytes, &Path::root(), LIMITS).unwrap_err().to_string();
        assert!(error.contains("confgit init DIR --from SOURCE"), "{error}");
    }
}
