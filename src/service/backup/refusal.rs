use std::io;

use super::manifest::{FORMAT, MANIFEST_FILE};

/// Why an archive is not taken.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It cannot be read, or is no tar archive.
    #[error("it is no tar archive, or cut short: {0}")]
    Unreadable(io::Error),
    /// Its first file is not the manifest.
    #[error("it does not begin with {MANIFEST_FILE}, so it is no backup made by confgit")]
    NoManifest,
    /// The manifest says what no backup's does.
    #[error("its manifest cannot be used: {0}")]
    Manifest(String),
    /// It is of another format.
    #[error(
        "it is of format {found}, and this version of confgit reads format {FORMAT}; use the version that made it, or a later one"
    )]
    Format {
        /// The format's number.
        found: u64,
    },
    /// A member's name begins at the root of the file system.
    #[error("its member {name:?} has an absolute name")]
    Absolute {
        /// The name.
        name: String,
    },
    /// A member's name leads out of the directory.
    #[error("its member {name:?} climbs out of the directory")]
    ClimbsOut {
        /// The name.
        name: String,
    },
    /// A member that is no ordinary file.
    #[error("its member {name:?} is {kind}; a backup holds ordinary files only")]
    Kind {
        /// The name.
        name: String,
        /// What it is.
        kind: &'static str,
    },
    /// A member comes twice.
    #[error("its member {name:?} comes twice")]
    Twice {
        /// The name.
        name: String,
    },
    /// A member that the manifest does not list.
    #[error("its member {name:?} is not in its manifest")]
    Unlisted {
        /// The name.
        name: String,
    },
    /// A member that the manifest lists is not there.
    #[error("{name:?} and {} further file(s) of its manifest are missing", count - 1)]
    Missing {
        /// The first.
        name: String,
        /// How many.
        count: usize,
    },
    /// A member has another size than the manifest says.
    #[error("its member {name:?} has {actual} bytes, and its manifest says {expected}")]
    Size {
        /// The name.
        name: String,
        /// The size that is listed.
        expected: u64,
        /// The size it has.
        actual: u64,
    },
    /// A member has other content than the manifest says.
    #[error("its member {name:?} does not have the SHA-256 that its manifest says")]
    Hash {
        /// The name.
        name: String,
    },
    /// A file contradicts the manifest.
    #[error("its member {name:?} does not say what its manifest says")]
    Contradiction {
        /// The name.
        name: String,
    },
    /// Something follows the archive's end.
    #[error("something follows its end")]
    Trailing,
    /// A file cannot be written.
    #[error("{name} cannot be written: {source}")]
    Write {
        /// The file.
        name: String,
        /// What failed.
        source: io::Error,
    },
}
