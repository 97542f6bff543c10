//! What configuration files say: strict reading with places, editing in place, writing.
//!
//! YAML, JSON and TOML files are read into a [`Value`](crate::model::Value); a place in the file is computed when it is asked
//! for. An edit replaces only the bytes that have to change, reads the result once more and compares it
//! with what was meant, so that it never gives bytes that say something else.

mod change;
mod edit;
mod editor;
mod emit;
mod fault;
mod flow;
mod format;
mod json;
mod place;
mod read;
mod splice;
#[cfg(test)]
mod testing;
mod toml;
mod tree;
mod yaml;

pub use change::{Change, Edited, Op};
pub use edit::edit;
pub use emit::emit;
pub use fault::{EditError, EmitError, Fault, FaultKind};
pub use format::{Format, stem};
pub use read::{Document, position_of, positions, read};
