use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::error::shown;
use super::{MOST_TOKEN_BYTES, TokenError};
use crate::model::Timestamp;

/// The end of the year 9999 in seconds: no time of a token is later, and none later could be written as RFC
/// 3339.
const LAST_SECOND: f64 = 253_402_300_799.0;

/// A token that is read and not yet believed: a JWS in compact serialization (RFC 7515 section 7.1). It is
/// read once, so that what is checked is what is used.
pub(super) struct Compact<'a> {
    /// What is signed.
    pub message: &'a str,
    /// The signature, in base64url.
    pub signature: &'a str,
    pub algorithm: String,
    pub kid: Option<String>,
    pub claims: Claims,
}

/// The claims of a token.
pub(super) struct Claims(Value);

impl<'a> Compact<'a> {
    pub fn parse(token: &'a str) -> Result<Self, TokenError> {
        if token.len() > MOST_TOKEN_BYTES {
            return Err(TokenError::TooLarge);
        }
        let not_three = TokenError::Malformed("expected three parts with dots between them");
        let (message, signature) = token.rsplit_once('.').ok_or_else(|| not_three.clone())?;
        let (header, claims) = message.split_once('.').ok_or_else(|| not_three.clone())?;
        if claims.contains('.') {
            return Err(not_three);
        }
        let header = object(header, "its header is no JSON object in base64url")?;
        let claims = object(claims, "its claims are no JSON object in base64url")?;
        if header.contains_key("crit") {
            return Err(TokenError::CriticalHeader);
        }
        check_type(&header)?;
        let algorithm = match header.get("alg") {
            Some(Value::String(algorithm)) => algorithm.clone(),
            _ => return Err(TokenError::Malformed("its header has no `alg`")),
        };
        let kid = match header.get("kid") {
            None => None,
            Some(Value::String(kid)) => Some(kid.clone()),
            Some(_) => return Err(TokenError::Malformed("`kid` of its header is no text")),
        };
        Ok(Compact { message, signature, algorithm, kid, claims: Claims(Value::Object(claims)) })
    }
}

impl Claims {
    pub fn value(&self) -> &Value {
        &self.0
    }

    /// A claim that has to be there, as a text.
    pub fn text(&self, claim: &'static str) -> Result<&str, TokenError> {
        self.0.get(claim).and_then(Value::as_str).ok_or(TokenError::Claim { claim })
    }

    /// `aud`: a text or a list of texts (RFC 7519 section 4.1.3).
    pub fn audiences(&self) -> Result<Vec<&str>, TokenError> {
        let malformed = TokenError::Claim { claim: "aud" };
        match self.0.get("aud") {
            Some(Value::String(audience)) => Ok(vec![audience]),
            Some(Value::Array(audiences)) => {
                audiences.iter().map(|audience| audience.as_str().ok_or_else(|| malformed.clone())).collect()
            }
            _ => Err(malformed),
        }
    }

    /// A time: seconds since 1970, whole or not (RFC 7519 section 2, NumericDate).
    pub fn time(&self, claim: &'static str) -> Result<Option<Timestamp>, TokenError> {
        let Some(value) = self.0.get(claim) else { return Ok(None) };
        let seconds = value.as_f64().filter(|seconds| (0.0..=LAST_SECOND).contains(seconds));
        let seconds = seconds.ok_or(TokenError::Claim { claim })?;
        // The range makes this exact to the millisecond.
        Ok(Some(Timestamp::from_millis((seconds * 1000.0) as i64)))
    }

    /// `aud` for a message.
    pub fn shown_audiences(&self) -> String {
        shown(&self.audiences().unwrap_or_default().join(", "))
    }
}

/// Tokens for other ends, such as those that end a session or prove a key, are also signed by the issuer;
/// their `typ` keeps them apart (RFC 8725 section 3.11).
fn check_type(header: &Map<String, Value>) -> Result<(), TokenError> {
    let name = match header.get("typ") {
        None => return Ok(()),
        Some(Value::String(name)) => name.to_ascii_lowercase(),
        Some(_) => return Err(TokenError::Malformed("`typ` of its header is no text")),
    };
    match name.strip_prefix("application/").unwrap_or(&name) {
        "jwt" | "jose" | "at+jwt" => Ok(()),
        _ => Err(TokenError::Malformed("`typ` of its header says that it is for something else")),
    }
}

fn object(part: &str, problem: &'static str) -> Result<Map<String, Value>, TokenError> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed(problem))?;
    serde_json::from_slice(&bytes).map_err(|_| TokenError::Malformed(problem))
}
