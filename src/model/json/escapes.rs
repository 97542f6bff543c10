//! Strings and their escapes, RFC 8259 section 7.

/// What is wrong, and at which byte.
pub(super) type Fault = (usize, &'static str);

const EOF: &str = "EOF while parsing a string";

/// Reads a string from the byte after its opening quote on; gives it with the place after its closing quote.
pub(super) fn string(text: &str, from: usize) -> Result<(String, usize), Fault> {
    let bytes = text.as_bytes();
    let mut out = String::new();
    let (mut at, mut plain) = (from, from);
    loop {
        match bytes.get(at) {
            None => return Err((at, EOF)),
            Some(b'"') => {
                out.push_str(&text[plain..at]);
                return Ok((out, at + 1));
            }
            Some(b'\\') => {
                out.push_str(&text[plain..at]);
                let (character, next) = escape(bytes, at + 1)?;
                out.push(character);
                (at, plain) = (next, next);
            }
            Some(0..=0x1f) => {
                return Err((at, "control character (\\u0000-\\u001F) found while parsing a string"));
            }
            Some(_) => at += 1,
        }
    }
}

/// The character that an escape stands for, from the byte after the backslash on.
fn escape(bytes: &[u8], at: usize) -> Result<(char, usize), Fault> {
    let character = match bytes.get(at) {
        None => return Err((at, EOF)),
        Some(b'u') => return unicode(bytes, at + 1),
        Some(&plain @ (b'"' | b'\\' | b'/')) => char::from(plain),
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(_) => return Err((at, "invalid escape")),
    };
    Ok((character, at + 1))
}

/// Four hexadecimal digits, or twice four with `\u` between them for what is beyond U+FFFF.
fn unicode(bytes: &[u8], at: usize) -> Result<(char, usize), Fault> {
    let first = four_digits(bytes, at)?;
    if let Some(character) = char::from_u32(first) {
        return Ok((character, at + 4));
    }
    let lone = || (at, "lone surrogate in hex escape");
    if first >= 0xdc00 || bytes.get(at + 4..at + 6) != Some(b"\\u") {
        return Err(lone());
    }
    let second = four_digits(bytes, at + 6)?;
    let low = second.checked_sub(0xdc00).filter(|low| *low < 0x400).ok_or_else(lone)?;
    let character = char::from_u32(0x10000 + ((first - 0xd800) << 10) + low).ok_or_else(lone)?;
    Ok((character, at + 10))
}

fn four_digits(bytes: &[u8], at: usize) -> Result<u32, Fault> {
    let mut number = 0;
    for at in at..at + 4 {
        let byte = *bytes.get(at).ok_or((at, EOF))?;
        let digit = char::from(byte).to_digit(16).ok_or((at, "invalid hex escape"))?;
        number = number << 4 | digit;
    }
    Ok(number)
}
