use std::fs::{self, DirEntry, File};
use std::io::{self, Read as _};
use std::path::Path as FilePath;

use super::progress::Progress;
use crate::cli::CliError;
use crate::import::FileTree;

/// How deep folders are looked into: deeper than any path has segments.
const MOST_LEVELS: usize = 64;

/// Takes the files of a folder. Links are never followed.
pub fn read(folder: &FilePath, tree: &mut FileTree, progress: &Progress) -> Result<(), CliError> {
    let mut folders = vec![(String::new(), folder.to_owned(), 0)];
    while let Some((prefix, folder, level)) = folders.pop() {
        let failed = |error| unreadable(&folder, &error);
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let Ok(name) = entry.file_name().into_string() else {
                let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
                tree.leave_out(&name, "its name is not UTF-8, so no path can name it");
                continue;
            };
            let name = format!("{prefix}{name}");
            let kind = entry.file_type().map_err(failed)?;
            if !tree.admits(&name) {
                continue;
            }
            if kind.is_dir() && level < MOST_LEVELS {
                folders.push((format!("{name}/"), entry.path(), level + 1));
            } else if kind.is_file() {
                take(&entry, name, tree)?;
                progress.reading(tree.count());
            } else {
                let reason = if kind.is_symlink() {
                    "it is a symbolic link"
                } else if kind.is_dir() {
                    "it is nested too deeply"
                } else {
                    "it is no plain file"
                };
                tree.leave_out(&name, reason);
            }
        }
    }
    Ok(())
}

fn take(entry: &DirEntry, name: String, tree: &mut FileTree) -> Result<(), CliError> {
    let place = entry.path();
    let failed = |error| unreadable(&place, &error);
    let size = entry.metadata().map_err(failed)?.len();
    if tree.has_room(&name, size)? {
        let mut content = Vec::new();
        // A file that grows while it is read is taken as it was.
        File::open(&place).and_then(|file| file.take(size).read_to_end(&mut content)).map_err(failed)?;
        tree.add(name, content);
    }
    Ok(())
}

/// Why a file or folder cannot be read.
pub fn unreadable(place: &FilePath, error: &io::Error) -> CliError {
    CliError::Failed(format!("{} cannot be read: {error}", place.display()))
}
