//! `confgit set` with an editor: what stands at a path is shown, and what becomes of it is written.

mod buffer;
mod changes;
mod editor;
mod present;

use self::buffer::Buffer;
pub use self::editor::{EditedFile, editor_command};
use self::present::Present;
use super::CliError;
use super::target::Target;
use crate::client::{Place, Written};

/// How often a text that cannot be read is shown again: an editor that is a script would go on for ever.
pub const MOST_REFUSALS: usize = 20;

/// Lets a person edit what stands at a path, and writes what changed. None when nothing did.
///
/// What cannot be read is shown again, with the reason above it, until it can be or is left as it is.
pub fn edit(target: &Target, place: &Place, message: Option<String>) -> Result<Option<Written>, CliError> {
    let command = editor_command()?;
    let present = Present::of(target, place)?;
    let mut buffer = Buffer::new(&present);
    let file = EditedFile::new(buffer.extension())?;
    let mut refusals = 0;
    loop {
        let before = buffer.text();
        let after = file.edit(&command, &before)?;
        if after == before && buffer.is_first() {
            return Ok(None);
        }
        if buffer.is_refused(&after) || refusals == MOST_REFUSALS {
            let reason =
                CliError::Failed("the text cannot be read as it is, so nothing was written".to_owned());
            return Err(file.keep(reason));
        }
        let changes = match buffer.read(&after) {
            Ok(wanted) => changes::between(&place.path, &present, wanted),
            Err(reason) => Err(reason),
        };
        match changes {
            Ok(changes) if changes.is_empty() => return Ok(None),
            Ok(changes) => {
                let written = target.apply(place, changes, message);
                return written.map(Some).map_err(|error| file.keep(error));
            }
            Err(reason) => {
                refusals += 1;
                buffer.refuse(&after, &reason);
            }
        }
    }
}
