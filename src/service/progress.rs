/// Where long work tells how far it has come.
pub trait Progress {
    /// A stretch of work of `total` bytes or steps begins.
    fn begin(&mut self, what: &'static str, total: u64);
    /// So much more of it is done.
    fn advance(&mut self, by: u64);
}

/// Nobody looks.
impl Progress for () {
    fn begin(&mut self, _: &'static str, _: u64) {}
    fn advance(&mut self, _: u64) {}
}
