use std::rc::Rc;

use super::source::Source;
use super::{FoldError, MAX_OBJECT, Number, Unfinished};
use crate::git::ObjectKind;
use crate::git::object;
use crate::git::rehash::Rehash;
use crate::model::ObjectId;

/// Reads the new pack back from disk, every entry of it, and compares with what had to be in it.
pub(super) fn verify(source: &Source, unfinished: &Unfinished) -> Result<(), FoldError> {
    let mut made = Source::open_files(&unfinished.pack, &unfinished.idx, MAX_OBJECT)?;
    if !made.objects().iter().map(|object| object.id).eq(source.objects().iter().map(|object| object.id)) {
        return Err(FoldError::Unverified { reason: "it holds other objects".to_owned() });
    }
    let mut large = Large::default();
    for number in made.in_pack_order() {
        let Some(id) = unsound(&mut made, number, &mut large)? else { continue };
        // Either the new entry is wrong, or the old one was: the latter is no fault of this fold.
        let pack = source.pack_of(id).unwrap_or_default().to_owned();
        let reason = format!("object {id} of {pack} does not have the content of its id");
        return Err(FoldError::BadPack { pack, reason });
    }
    Ok(())
}

/// The id of an object whose content is not that of its id.
fn unsound(made: &mut Source, number: Number, large: &mut Large) -> Result<Option<ObjectId>, FoldError> {
    let object = made.objects()[number];
    let content = match made.content(object) {
        Ok(content) => content,
        Err(FoldError::BadPack { .. }) => return Ok(Some(object.id)),
        Err(error) => return Err(error),
    };
    let id = if object.kind == ObjectKind::Tree && content.len() >= Rehash::WORTH {
        large.id(&content)
    } else {
        object::object_id(object.kind, &content)
    };
    Ok((id != Ok(object.id)).then_some(object.id))
}

/// The last large tree and the states of its hash: the next one is mostly another version of it.
#[derive(Default)]
struct Large {
    last: Rc<Vec<u8>>,
    rehash: Rehash,
}

impl Large {
    fn id(&mut self, content: &Rc<Vec<u8>>) -> Result<ObjectId, object::CollisionError> {
        const STRIDE: usize = 4096;
        let chunks = self.last.chunks(STRIDE).zip(content.chunks(STRIDE));
        let same = chunks.take_while(|(old, new)| old == new).count() * STRIDE;
        self.last = content.clone();
        self.rehash.id(content, same.min(content.len()))
    }
}
