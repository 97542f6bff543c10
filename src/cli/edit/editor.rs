use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::Command;

use tempfile::NamedTempFile;

use crate::cli::CliError;

/// The command of the person's editor.
pub fn editor_command() -> Result<String, CliError> {
    command(|name| std::env::var(name).ok())
}

/// `$VISUAL`, else `$EDITOR`.
fn command(variable: impl Fn(&str) -> Option<String>) -> Result<String, CliError> {
    let set =
        ["VISUAL", "EDITOR"].into_iter().filter_map(variable).find(|command| !command.trim().is_empty());
    set.ok_or_else(|| {
        let message = "there is no editor to open: set VISUAL or EDITOR to one, or give a VALUE";
        CliError::Usage(message.to_owned())
    })
}

/// A file for the editor, which only its owner can read; removed at the end unless it is kept.
pub struct EditedFile(NamedTempFile);

impl EditedFile {
    /// A file whose name ends so.
    pub fn new(extension: &str) -> Result<Self, CliError> {
        let made = tempfile::Builder::new().prefix("confgit-").suffix(extension).tempfile();
        made.map(EditedFile).map_err(|error| failed(&error))
    }

    /// Opens the editor on a text, and answers what it left.
    pub fn edit(&self, command: &str, text: &str) -> Result<String, CliError> {
        let place = self.0.path();
        fs::File::create(place)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|error| failed(&error))?;
        // Read by a shell, as Git does it: an editor may come with arguments.
        let shell =
            Command::new("sh").arg("-c").arg(format!("{command} \"$1\"")).arg("sh").arg(place).status();
        let status =
            shell.map_err(|error| CliError::Failed(format!("`{command}` cannot be started: {error}")))?;
        if !status.success() {
            let message = format!("the editor `{command}` failed ({status}), so nothing was written");
            return Err(CliError::Failed(message));
        }
        // Some editors put a new file in the place of the old one, so it is opened by its name.
        let bytes = fs::read(place).map_err(|error| failed(&error))?;
        String::from_utf8(bytes)
            .map_err(|_| self.keep(CliError::Failed("the edited text is not UTF-8".to_owned())))
    }

    /// Keeps the text, and names its file beside the reason why it was not written.
    pub fn keep(&self, reason: CliError) -> CliError {
        match self.save() {
            Ok(file) => CliError::Kept { reason: Box::new(reason), file },
            Err(_) => reason,
        }
    }

    /// A copy under a name of its own, which stays.
    fn save(&self) -> io::Result<PathBuf> {
        let suffix = self.0.path().extension().map(|extension| format!(".{}", extension.to_string_lossy()));
        let mut builder = tempfile::Builder::new();
        builder.prefix("confgit-edited-").suffix(suffix.as_deref().unwrap_or_default());
        let mut kept = builder.tempfile()?;
        kept.write_all(&fs::read(self.0.path())?)?;
        let (_, place) = kept.keep().map_err(|error| error.error)?;
        Ok(place)
    }
}

fn failed(error: &io::Error) -> CliError {
    CliError::Failed(format!("the text cannot be handed to an editor: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn visual_comes_before_editor() {
        for (visual, editor, expected) in [
            (Some("code --wait"), Some("vi"), Some("code --wait")),
            (Some(" "), Some("vi"), Some("vi")),
            (None, Some("vi"), Some("vi")),
            (None, None, None),
        ] {
            let variable = |name: &str| if name == "VISUAL" { visual } else { editor }.map(str::to_owned);
            assert_eq!(command(variable).ok().as_deref(), expected);
        }
    }
}
