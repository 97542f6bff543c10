use std::io;
use std::path::Path;
use std::rc::Rc;

use super::contents::Contents;
use super::{CACHE_BYTES, FoldError, MAX_OBJECT, Number, bad_pack, unsound};
use crate::git::ObjectKind;
use crate::git::pack::deflate::Inflate;
use crate::git::pack::delta;
use crate::git::pack::entry::Form;
use crate::git::pack::scan::Scan;
use crate::model::ObjectId;

/// One object of the packs that are folded.
#[derive(Debug, Clone, Copy)]
pub(in crate::git) struct Object {
    pub(in crate::git) id: ObjectId,
    pub(in crate::git) kind: ObjectKind,
    pack: u16,
    position: u32,
}

/// The packs that are folded, opened, so that they can be read even when they are unlinked meanwhile.
pub(in crate::git) struct Source {
    packs: Vec<(String, Scan)>,
    /// Every object once, by id.
    objects: Vec<Object>,
    inflate: Inflate,
    contents: Contents<(u16, u32)>,
    /// The largest object that is decoded, in bytes.
    max_object: usize,
}

/// How an entry stands in its pack.
pub(super) struct Stored<'a> {
    /// The zlib stream.
    pub(super) stream: &'a [u8],
    /// The size of what it holds.
    pub(super) size: usize,
    /// The base, when it holds a delta.
    pub(super) base: Option<ObjectId>,
}

impl Source {
    pub(super) fn open(pack_dir: &Path, names: &[String]) -> Result<Self, FoldError> {
        let mut packs = Vec::with_capacity(names.len());
        for name in names {
            let path = |extension: &str| pack_dir.join(format!("{name}.{extension}"));
            packs.push((name.clone(), open(name, &path("pack"), &path("idx"))?));
        }
        Self::new(packs, MAX_OBJECT)
    }

    /// One pack by its two files; a larger object than this is a fault.
    pub(in crate::git) fn open_files(pack: &Path, idx: &Path, max_object: usize) -> Result<Self, FoldError> {
        let name = pack.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let scan = open(&name, pack, idx)?;
        Self::new(vec![(name, scan)], max_object)
    }

    fn new(packs: Vec<(String, Scan)>, max_object: usize) -> Result<Self, FoldError> {
        let mut objects = Vec::with_capacity(packs.iter().map(|(_, scan)| scan.entries().len()).sum());
        for (number, (name, scan)) in packs.iter().enumerate() {
            let kinds = scan.kinds().ok_or_else(|| bad_pack(name, "a delta without its base"))?;
            for (position, (entry, kind)) in scan.entries().iter().zip(kinds).enumerate() {
                let header = scan.header(position).ok_or_else(|| unsound(entry.id, name))?;
                if header.size > max_object {
                    return Err(bad_pack(name, "it holds a very large object"));
                }
                objects.push(Object { id: entry.id, kind, pack: number as u16, position: position as u32 });
            }
        }
        // Of several copies the one in the largest pack is likeliest to be a delta already.
        objects.sort_unstable_by(|a, b| a.id.cmp(&b.id).then(b.pack.cmp(&a.pack)));
        objects.dedup_by_key(|object| object.id);
        objects.shrink_to_fit();
        Ok(Source {
            packs,
            objects,
            inflate: Inflate::new(),
            contents: Contents::new(CACHE_BYTES),
            max_object,
        })
    }

    /// Leaves out the objects that are not wanted. What is wanted may still be a delta against them.
    pub(super) fn retain(&mut self, wanted: impl Fn(ObjectId) -> bool) {
        self.objects.retain(|object| wanted(object.id));
        self.objects.shrink_to_fit();
    }

    /// Every object once, by id.
    pub(in crate::git) fn objects(&self) -> &[Object] {
        &self.objects
    }

    /// The numbers of the objects in the order of the packs.
    pub(in crate::git) fn in_pack_order(&self) -> Vec<Number> {
        let mut numbers: Vec<Number> = (0..self.objects.len()).collect();
        numbers.sort_unstable_by_key(|&number| (self.objects[number].pack, self.objects[number].position));
        numbers
    }

    pub(super) fn find(&self, id: ObjectId) -> Option<Number> {
        self.objects.binary_search_by_key(&id, |object| object.id).ok()
    }

    /// The pack that an object is taken from.
    pub(super) fn pack_of(&self, id: ObjectId) -> Option<&str> {
        let object = self.objects.get(self.find(id)?)?;
        Some(&self.packs.get(usize::from(object.pack))?.0)
    }

    /// How an object is stored.
    pub(super) fn stored(&self, object: Object) -> Result<Stored<'_>, FoldError> {
        let (name, scan) = &self.packs[usize::from(object.pack)];
        let position = object.position as usize;
        let stored = || {
            let header = scan.header(position)?;
            let base = scan.base(position, &header).ok()?;
            let base = base.and_then(|base| scan.entries().get(base)).map(|entry| entry.id);
            let stream = scan.bytes(position)?.get(header.length..)?;
            Some(Stored { stream, size: header.size, base })
        };
        stored().ok_or_else(|| unsound(object.id, name))
    }

    /// The content of an object.
    pub(in crate::git) fn content(&mut self, object: Object) -> Result<Rc<Vec<u8>>, FoldError> {
        let found = self.decode(object.pack, object.position);
        found.ok_or_else(|| unsound(object.id, &self.packs[usize::from(object.pack)].0))
    }

    fn decode(&mut self, pack: u16, position: u32) -> Option<Rc<Vec<u8>>> {
        let scan = &self.packs.get(usize::from(pack))?.1;
        let mut deltas = Vec::new();
        let mut at = position;
        let mut content = loop {
            if let Some(known) = self.contents.get((pack, at)) {
                break known;
            }
            let header = scan.header(at as usize)?;
            let stream = scan.bytes(at as usize)?.get(header.length..)?;
            if header.size > self.max_object {
                return None;
            }
            let mut plain = Vec::with_capacity(header.size + 1);
            self.inflate.append(&mut plain, stream, header.size)?;
            if let Form::Full(_) = header.form {
                let full = Rc::new(plain);
                self.contents.put((pack, at), full.clone());
                break full;
            }
            deltas.push((at, plain));
            // Packs are checked for cycles when they are opened, so this ends.
            at = scan.base(at as usize, &header).ok()?? as u32;
        };
        while let Some((at, packed)) = deltas.pop() {
            content = Rc::new(delta::apply(&content, &packed, self.max_object)?);
            self.contents.put((pack, at), content.clone());
        }
        Some(content)
    }
}

fn open(name: &str, pack: &Path, idx: &Path) -> Result<Scan, FoldError> {
    Scan::open(pack, idx).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => bad_pack(name, &error.to_string()),
        _ => FoldError::Io(error),
    })
}
