use std::io::Read;

use super::transport::Call;
use super::{Client, ClientError};
use crate::model::Path;

/// Something long that a server sends.
pub struct Download {
    /// How many bytes it has, when the server says so.
    pub length: Option<u64>,
    /// The bytes; an answer that is cut short is an error.
    pub content: Box<dyn Read>,
}

impl Client {
    /// A backup of the whole project, as a tar archive.
    pub fn backup(&self) -> Result<Download, ClientError> {
        let url = self.server().url("/api/backup", &Path::root(), "", &[]);
        let response = self.transport.stream(Call { method: "GET", url, headers: Vec::new(), body: None })?;
        let length = response.headers().get("content-length");
        let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
        Ok(Download { length, content: Box::new(response.into_body().into_reader()) })
    }
}
