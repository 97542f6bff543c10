use std::fmt;
use std::str::FromStr;

/// A key to show a server. It cannot be printed.
#[derive(Clone)]
pub struct Token(String);

/// A text that cannot be sent as a key. It does not repeat the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a key has no spaces, line breaks or characters beyond ASCII")]
pub struct TokenError;

impl Token {
    /// The value of the `Authorization` header (RFC 6750).
    pub(super) fn bearer(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

impl FromStr for Token {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        if text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Token(text.to_owned()))
        } else {
            Err(TokenError)
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_never_shown() {
        let token: Token = "cg_secret".parse().unwrap();
        assert_eq!(format!("{token:?}"), "Token([redacted])");
        let error = "cg_sec\nret".parse::<Token>().unwrap_err();
        assert!(!format!("{error} {error:?}").contains("cg_sec"));
    }
}
