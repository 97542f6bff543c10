use super::CliError;
use crate::model::Path;

/// Reads a path argument: `/myapp/database/host`, `myapp/database/host`, or, without any slash, the dotted
/// key `myapp.database.host`. One slash at the end is forgiven, since `ls` prints objects so.
pub fn path(text: &str) -> Result<Path, CliError> {
    let wrong = |reason| CliError::Path { text: text.to_owned(), reason };
    if text.is_empty() {
        return Err(CliError::Usage(
            "a path is missing: `/` is the root, /myapp/database/host a value".to_owned(),
        ));
    }
    // A dot in front belongs to a name such as `.confgit`.
    if !text.contains('/') && !text.starts_with('.') {
        return text.replace('.', "/").parse().map_err(wrong);
    }
    let text = if text == "/" { text } else { text.strip_suffix('/').unwrap_or(text) };
    text.parse().map_err(wrong)
}

/// Reads the path of what is to be written, which is never the root.
pub fn written_path(text: &str) -> Result<Path, CliError> {
    let path = path(text)?;
    if path.is_root() {
        return Err(CliError::Usage(
            "name a path below `/`: the root cannot be written as a whole".to_owned(),
        ));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_dotted_keys() {
        for (text, expected) in [
            ("/", Some("/")),
            ("/myapp/database/host", Some("/myapp/database/host")),
            ("myapp/database/host", Some("/myapp/database/host")),
            ("myapp/database/", Some("/myapp/database")),
            ("myapp.database.host", Some("/myapp/database/host")),
            ("myapp", Some("/myapp")),
            ("certs/tls.crt", Some("/certs/tls.crt")),
            ("/tls.crt", Some("/tls.crt")),
            (".confgit", Some("/.confgit")),
            (".confgit/keys", Some("/.confgit/keys")),
            ("a%2Fb.c", Some("/a%2Fb/c")),
            ("", None),
            ("a..b", None),
            ("a.", None),
            ("..", None),
            ("//a", None),
            ("/a//b", None),
        ] {
            assert_eq!(path(text).ok().as_ref().map(Path::as_str), expected, "{text:?}");
        }
        assert_eq!(path("a..b").unwrap_err().to_string(), "`a..b` is no path: segment 2 is empty");
    }
}
