//! One line on standard error that says what is being done.

use std::io::{IsTerminal, Write};
use std::sync::Arc;

/// A line that each step overwrites; nothing when standard error is no terminal.
pub fn on_terminal() -> Arc<dyn Fn(&str) + Send + Sync> {
    if !std::io::stderr().is_terminal() {
        return Arc::new(|_| {});
    }
    Arc::new(|step| {
        // A step that cannot be shown is no reason to stop measuring.
        let _ = write!(std::io::stderr(), "\r\x1b[K{step}");
        let _ = std::io::stderr().flush();
    })
}

/// Clears the line.
pub fn clear() {
    if std::io::stderr().is_terminal() {
        let _ = write!(std::io::stderr(), "\r\x1b[K");
    }
}
