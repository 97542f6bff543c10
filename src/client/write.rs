use super::transport::Call;
use super::{Client, ClientError, Expect, Moment, Place, Written};
use crate::wire::{Batch, BatchWritten, Put, Rollback};

impl Client {
    /// Gives a path a value; an object replaces what is below it.
    pub fn put(&self, place: &Place, put: &Put, expect: Expect) -> Result<Written, ClientError> {
        let url = self.url("/api/config", place, &Moment::Now, Vec::new());
        self.write("PUT", url, expect, Some(put))
    }

    /// Takes what is at a path, or below it, away from the layer; or hides what a parent has there.
    pub fn delete(&self, place: &Place, hide: bool, expect: Expect) -> Result<Written, ClientError> {
        let query = if hide { vec![("hide", "true".to_owned())] } else { Vec::new() };
        let url = self.url("/api/config", place, &Moment::Now, query);
        self.write("DELETE", url, expect, None::<&()>)
    }

    /// Gives a path the value it had in an older version.
    pub fn rollback(&self, place: &Place, version: u64) -> Result<Written, ClientError> {
        let query: Vec<_> = place.env.clone().map(|env| ("env", env)).into_iter().collect();
        let url = self.server().url("/api/config", &place.path, "/rollback", &query);
        self.write("POST", url, Expect::Anything, Some(&Rollback { to_version: version }))
    }

    /// Makes several edits, or none of them.
    pub fn batch(&self, batch: &Batch) -> Result<BatchWritten, ClientError> {
        let url = self.server().url("/api/batch", &crate::model::Path::root(), "", &[]);
        self.write("POST", url, Expect::Anything, Some(batch))
    }

    /// Makes several edits, given as the body of the request; tells again and again how many of its bytes are sent.
    pub fn batch_watched(
        &self,
        body: &[u8],
        sent: &mut dyn FnMut(usize),
    ) -> Result<BatchWritten, ClientError> {
        let url = self.server().url("/api/batch", &crate::model::Path::root(), "", &[]);
        let headers = vec![("content-type", "application/json".to_owned())];
        let answer =
            self.transport.send_watched(Call { method: "POST", url, headers, body: Some(body) }, sent)?;
        self.transport.parse(&answer)
    }

    fn write<T: serde::de::DeserializeOwned>(
        &self,
        method: &'static str,
        url: String,
        expect: Expect,
        body: Option<&impl serde::Serialize>,
    ) -> Result<T, ClientError> {
        let mut headers = Vec::new();
        match expect {
            Expect::Anything => {}
            Expect::Absent => headers.push(("if-none-match", "*".to_owned())),
            Expect::Version(version) => headers.push(("if-match", format!("\"{version}\""))),
        }
        let body = match body {
            Some(body) => {
                headers.push(("content-type", "application/json".to_owned()));
                Some(serde_json::to_vec(body).map_err(|error| ClientError::Unintelligible {
                    server: self.server().to_string(),
                    reason: format!("the request cannot be written as JSON: {error}"),
                })?)
            }
            None => None,
        };
        self.transport.json(Call { method, url, headers, body: body.as_deref() })
    }
}
