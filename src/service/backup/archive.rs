use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path as FilePath;

use flate2::bufread::MultiGzDecoder;
use sha2::{Digest as _, Sha256};
use tar::{EntryType, Header};

use super::ArchiveError;
use super::manifest::{
    FORMAT, GIT_CONFIG, MANIFEST_FILE, MOST_MANIFEST_BYTES, Manifest, ManifestFile, PACKED_REFS, REPOSITORIES,
};
use crate::service::progress::Progress;

const BLOCK: u64 = 512;

/// Folders that Git needs and that hold no file: with them the archive unpacked by `tar` is a project, too.
const FOLDERS: [&str; 2] = ["config.git/refs/", "meta.git/refs/"];

/// Files whose content is looked at are at most so large.
const MOST_SMALL_BYTES: u64 = 64 << 20;

/// How many bytes an archive with files of these sizes has.
pub(super) fn size(files: impl Iterator<Item = u64>) -> u64 {
    let folders = FOLDERS.len() as u64 * BLOCK;
    files.fold(folders + 2 * BLOCK, |total, size| total + BLOCK + size.next_multiple_of(BLOCK))
}

/// Writes a tar archive member by member.
pub(super) struct ArchiveWriter<'a> {
    out: &'a mut dyn Write,
    /// In seconds since the epoch; the same for all members.
    time: u64,
}

impl<'a> ArchiveWriter<'a> {
    pub fn new(out: &'a mut dyn Write, time: i64) -> Self {
        ArchiveWriter { out, time: u64::try_from(time).unwrap_or(0) }
    }

    /// Writes one file; false when the content is not as long as it was said to be, which leaves the archive
    /// unfinished.
    pub fn member(&mut self, name: &str, size: u64, content: &mut dyn Read) -> io::Result<bool> {
        self.header(name, EntryType::Regular, size)?;
        let copied = io::copy(&mut content.take(size), self.out)?;
        let padding = size.next_multiple_of(BLOCK) - size;
        self.out.write_all(&[0; BLOCK as usize][..padding as usize])?;
        Ok(copied == size)
    }

    /// Writes the folders that hold no file.
    pub fn folders(&mut self) -> io::Result<()> {
        FOLDERS.iter().try_for_each(|name| self.header(name, EntryType::Directory, 0))
    }

    /// Says that nothing follows.
    pub fn finish(self) -> io::Result<()> {
        self.out.write_all(&[0; 2 * BLOCK as usize])?;
        self.out.flush()
    }

    fn header(&mut self, name: &str, kind: EntryType, size: u64) -> io::Result<()> {
        let mut header = Header::new_ustar();
        header.set_path(name)?;
        header.set_entry_type(kind);
        header.set_size(size);
        header.set_mode(if kind == EntryType::Directory { 0o755 } else { 0o644 });
        header.set_mtime(self.time);
        header.set_cksum();
        self.out.write_all(header.as_bytes())
    }
}

/// Reads a whole archive, packed by gzip or not, and compares every byte with its manifest.
pub fn check_archive(input: &mut dyn Read, progress: &mut dyn Progress) -> Result<Manifest, ArchiveError> {
    unpack(input, None, progress)
}

/// The same, and writes the files below a directory, which must be empty; each is flushed.
pub(in crate::service) fn unpack(
    input: &mut dyn Read,
    to: Option<&FilePath>,
    progress: &mut dyn Progress,
) -> Result<Manifest, ArchiveError> {
    const GZIP: [u8; 2] = [0x1f, 0x8b];
    let mut input = BufReader::with_capacity(256 << 10, input);
    let is_packed = input.fill_buf().map_err(ArchiveError::Unreadable)?.starts_with(&GZIP);
    let input: Box<dyn Read + '_> =
        if is_packed { Box::new(MultiGzDecoder::new(input)) } else { Box::new(input) };
    let mut archive = tar::Archive::new(input);
    let mut unpacking = Unpacking { to, manifest: None, seen: BTreeSet::new(), progress };
    // Raw: headers that give the next member another name or size are members like any other, and refused.
    for entry in archive.entries().map_err(ArchiveError::Unreadable)?.raw(true) {
        unpacking.member(&mut entry.map_err(ArchiveError::Unreadable)?)?;
    }
    let manifest = unpacking.end()?;
    let mut rest = BufReader::new(archive.into_inner());
    loop {
        let bytes = rest.fill_buf().map_err(ArchiveError::Unreadable)?;
        if bytes.is_empty() {
            return Ok(manifest);
        }
        if bytes.iter().any(|byte| *byte != 0) {
            return Err(ArchiveError::Trailing);
        }
        let read = bytes.len();
        rest.consume(read);
    }
}

struct Unpacking<'a> {
    to: Option<&'a FilePath>,
    manifest: Option<(Manifest, BTreeMap<String, ManifestFile>)>,
    seen: BTreeSet<String>,
    progress: &'a mut dyn Progress,
}

impl Unpacking<'_> {
    fn member<R: Read>(&mut self, entry: &mut tar::Entry<'_, R>) -> Result<(), ArchiveError> {
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        check_name(&name)?;
        match entry.header().entry_type() {
            EntryType::Regular => {}
            EntryType::Directory if FOLDERS.contains(&name.as_str()) => return Ok(()),
            other => return Err(ArchiveError::Kind { name, kind: kind_name(other) }),
        }
        let size = entry.size();
        let Some((manifest, listed)) = &self.manifest else {
            if name != MANIFEST_FILE {
                return Err(ArchiveError::NoManifest);
            }
            let manifest = read_manifest(entry, size)?;
            self.progress.begin("reading", manifest.files.iter().map(|file| file.size).sum());
            let listed = manifest.files.iter().map(|file| (file.name.clone(), file.clone())).collect();
            self.manifest = Some((manifest, listed));
            return Ok(());
        };
        if name == MANIFEST_FILE || !self.seen.insert(name.clone()) {
            return Err(ArchiveError::Twice { name });
        }
        let Some(file) = listed.get(&name) else { return Err(ArchiveError::Unlisted { name }) };
        if file.size != size {
            return Err(ArchiveError::Size { name, expected: file.size, actual: size });
        }
        // The references stand twice in an archive, so that `git` alone can read it, too.
        let refs = name.strip_suffix(PACKED_REFS).and_then(|folder| folder.strip_suffix('/'));
        let expected = refs.map(|repository| manifest.packed_refs(repository));
        self.content(entry, &file.clone(), expected)
    }

    fn content<R: Read>(
        &mut self,
        entry: &mut tar::Entry<'_, R>,
        file: &ManifestFile,
        expected: Option<String>,
    ) -> Result<(), ArchiveError> {
        let name = || file.name.clone();
        let failed = |source| ArchiveError::Write { name: file.name.clone(), source };
        let mut out = self.create(&file.name).map_err(failed)?;
        let mut hash = Sha256::new();
        let mut kept = Vec::new();
        let mut buffer = vec![0; 64 << 10];
        let mut left = file.size;
        while left > 0 {
            let read = entry.read(&mut buffer).map_err(ArchiveError::Unreadable)?;
            if read == 0 {
                return Err(ArchiveError::Unreadable(io::ErrorKind::UnexpectedEof.into()));
            }
            let bytes = &buffer[..read];
            hash.update(bytes);
            if expected.is_some() && file.size <= MOST_SMALL_BYTES {
                kept.extend_from_slice(bytes);
            }
            if let Some(out) = &mut out {
                out.write_all(bytes).map_err(failed)?;
            }
            left = left.saturating_sub(read as u64);
            self.progress.advance(read as u64);
        }
        if super::hex(&hash.finalize()) != file.sha256 {
            return Err(ArchiveError::Hash { name: name() });
        }
        if expected.is_some_and(|expected| expected.as_bytes() != kept) {
            return Err(ArchiveError::Contradiction { name: name() });
        }
        out.map_or(Ok(()), |out| out.sync_all()).map_err(failed)
    }

    /// The file to write a member to. Git's settings are not taken from an archive: they can name commands.
    fn create(&self, name: &str) -> io::Result<Option<fs::File>> {
        let Some(to) = self.to else { return Ok(None) };
        if REPOSITORIES.iter().any(|repository| *name == format!("{repository}/{GIT_CONFIG}")) {
            return Ok(None);
        }
        let path = to.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let mode = if name.contains("/objects/") { 0o444 } else { 0o644 };
        OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map(Some)
    }

    fn end(self) -> Result<Manifest, ArchiveError> {
        let Some((manifest, listed)) = self.manifest else { return Err(ArchiveError::NoManifest) };
        let mut missing = listed.into_keys().filter(|name| !self.seen.contains(name));
        match missing.next() {
            Some(name) => Err(ArchiveError::Missing { name, count: 1 + missing.count() }),
            None => Ok(manifest),
        }
    }
}

fn read_manifest(content: &mut impl Read, size: u64) -> Result<Manifest, ArchiveError> {
    if size > MOST_MANIFEST_BYTES {
        return Err(ArchiveError::Manifest(format!("{size} bytes are more than {MOST_MANIFEST_BYTES}")));
    }
    let mut bytes = Vec::new();
    content.take(size).read_to_end(&mut bytes).map_err(ArchiveError::Unreadable)?;
    if (bytes.len() as u64) < size {
        return Err(ArchiveError::Unreadable(io::ErrorKind::UnexpectedEof.into()));
    }
    let broken = |error: serde_json::Error| ArchiveError::Manifest(error.to_string());
    // The format first: another one may have other members.
    #[derive(serde::Deserialize)]
    struct Format {
        format: u64,
    }
    let Format { format: found } = serde_json::from_slice(&bytes).map_err(broken)?;
    if found != u64::from(FORMAT) {
        return Err(ArchiveError::Format { found });
    }
    let manifest: Manifest = serde_json::from_slice(&bytes).map_err(broken)?;
    manifest.fault().map_or(Ok(manifest), |fault| Err(ArchiveError::Manifest(fault)))
}

fn check_name(name: &str) -> Result<(), ArchiveError> {
    if name.starts_with('/') {
        return Err(ArchiveError::Absolute { name: name.to_owned() });
    }
    if name.split('/').any(|part| part == "..") {
        return Err(ArchiveError::ClimbsOut { name: name.to_owned() });
    }
    Ok(())
}

fn kind_name(kind: EntryType) -> &'static str {
    match kind {
        EntryType::Directory => "a directory",
        EntryType::Symlink => "a symbolic link",
        EntryType::Link => "a hard link",
        EntryType::Char | EntryType::Block => "a device",
        EntryType::Fifo => "a pipe",
        EntryType::XHeader | EntryType::XGlobalHeader | EntryType::GNULongName | EntryType::GNULongLink => {
            "a header that renames what follows"
        }
        _ => "of another kind",
    }
}
