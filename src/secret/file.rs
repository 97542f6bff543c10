use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use super::{MOST_SECRET_BYTES, SecretError, SecretValue};
use crate::resolve::is_secret_name;

/// Reads a secret from the file of its name in a directory. Links are followed, since that is how Kubernetes mounts
/// secrets; a name can lead nowhere else.
pub(super) fn read(directory: &Path, name: &str) -> Result<Option<SecretValue>, SecretError> {
    if !is_secret_name(name) {
        return Ok(None);
    }
    let unreadable = |reason: String| SecretError::Unreadable { name: name.to_owned(), reason };
    let path = directory.join(name);
    // A pipe would be waited for when it is opened.
    match fs::metadata(&path) {
        Ok(metadata) if metadata.is_file() => {}
        Ok(_) => return Err(unreadable("it is no file".to_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error.to_string())),
    }
    let file = File::open(&path).map_err(|error| unreadable(error.to_string()))?;
    let mut bytes = Vec::new();
    let read = file.take(MOST_SECRET_BYTES as u64 + 1).read_to_end(&mut bytes);
    let length = read.map_err(|error| unreadable(error.to_string()))?;
    if length > MOST_SECRET_BYTES {
        return Err(unreadable(format!("it has more than {MOST_SECRET_BYTES} bytes")));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Some(SecretValue::of_text(text))),
        Err(_) => Err(unreadable("it is not UTF-8".to_owned())),
    }
}
