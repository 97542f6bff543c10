//! Properties of reading, editing and writing documents.

#![allow(clippy::expect_used, clippy::panic)]

mod chains;
mod commented;
mod hostile;
mod values;
mod written;
