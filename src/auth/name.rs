/// The most bytes of a name.
pub(super) const MOST_NAME_BYTES: usize = 128;

/// Whether a text may be the name of an account, a team, a role or an issuer.
pub(super) fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    text.len() <= MOST_NAME_BYTES
        && bytes.next().is_some_and(|first| first.is_ascii_alphanumeric())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"._@-".contains(&byte))
}
