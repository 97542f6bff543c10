use super::{Fault, FaultKind, Format};
use crate::model::Position;

/// The line and column of a byte offset; an offset inside a character counts as its start.
pub(super) fn position_at(text: &[u8], offset: usize) -> Position {
    let before = &text[..offset.min(text.len())];
    let line_start = before.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
    let lines = before[..line_start].iter().filter(|&&b| b == b'\n').count();
    let is_start = |byte: &&u8| !matches!(**byte, 0x80..=0xbf);
    let column = before[line_start..].iter().filter(is_start).count();
    Position { line: saturate(lines + 1), column: saturate(column + 1) }
}

fn saturate(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// A fault at a byte offset.
pub(super) fn fault_at(text: &[u8], offset: usize, kind: FaultKind, message: impl Into<String>) -> Fault {
    Fault { position: position_at(text, offset), kind, message: message.into() }
}

/// The bytes as text, without the mark that some editors write at the start where the format allows one;
/// or where they stop being UTF-8.
pub(super) fn content(format: Format, bytes: &[u8]) -> Result<&str, Fault> {
    let bytes = match format {
        Format::Yaml | Format::Toml => bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes),
        _ => bytes,
    };
    std::str::from_utf8(bytes)
        .map_err(|error| fault_at(bytes, error.valid_up_to(), FaultKind::Encoding, "not UTF-8 text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_characters() {
        let text = "aé\nüx".as_bytes();
        for (offset, line, column) in [(0, 1, 1), (1, 1, 2), (3, 1, 3), (4, 2, 1), (6, 2, 2), (99, 2, 3)] {
            assert_eq!(position_at(text, offset), Position { line, column }, "{offset}");
        }
        let fault = content(Format::Yaml, b"\xef\xbb\xbfa\nb\xff").unwrap_err();
        assert_eq!((fault.position.line, fault.position.column), (2, 2));
    }
}
