/// How large what people write may be. Paths have limits of their own, see [`super::Path`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes one value may take, as JSON.
    pub value_bytes: usize,
    /// The most bytes one file may have.
    pub document_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { value_bytes: 1 << 20, document_bytes: 4 << 20 }
    }
}
