use super::transport::Call;
use super::{Client, ClientError, Expect, Moment, PatchKind, Place, Promotion, Written};
use crate::model::Path;
use crate::wire::{
    Batch, BatchWritten, EnvironmentRollback, Json, NewEnvironment, Preview, Promote, Put, Rollback,
    WrittenEnvironment,
};

impl Client {
    /// Gives a path a value; an object replaces what is below it.
    pub fn put(&self, place: &Place, put: &Put, expect: Expect) -> Result<Written, ClientError> {
        let url = self.url("/api/config", place, &Moment::Now, Vec::new());
        self.write("PUT", url, expect, Some(put))
    }

    /// Takes what is at a path, or below it, away from the layer; or hides what a parent has there.
    pub fn delete(
        &self,
        place: &Place,
        hide: bool,
        message: Option<String>,
        expect: Expect,
    ) -> Result<Written, ClientError> {
        let mut query = if hide { vec![("hide", "true".to_owned())] } else { Vec::new() };
        query.extend(message.map(|message| ("message", message)));
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
        let url = self.server().url("/api/batch", &Path::root(), "", &[]);
        self.write("POST", url, Expect::Anything, Some(batch))
    }

    /// Changes what stands at a path, and below it, by a patch given as JSON.
    pub fn patch(
        &self,
        place: &Place,
        (kind, patch): (PatchKind, &Json),
        message: Option<String>,
        expect: Expect,
    ) -> Result<Written, ClientError> {
        let query = message.map(|message| ("message", message)).into_iter().collect();
        let url = self.url("/api/config", place, &Moment::Now, query);
        let media_type = match kind {
            PatchKind::Merge => "application/merge-patch+json",
            PatchKind::Operations => "application/json-patch+json",
        };
        let mut headers = precondition(expect);
        headers.push(("content-type", media_type.to_owned()));
        let body = Some(patch.get().as_bytes());
        self.transport.json(Call { method: "PATCH", url, headers, body })
    }

    /// What several edits would come to.
    pub fn preview(&self, batch: &Batch) -> Result<Preview, ClientError> {
        let url = self.server().url("/api/preview", &Path::root(), "", &[]);
        self.write("POST", url, Expect::Anything, Some(batch))
    }

    /// Brings what the layer of one environment says to another.
    pub fn promote(&self, promote: &Promote) -> Result<Promotion, ClientError> {
        let url = self.server().url("/api/promote", &Path::root(), "", &[]);
        match self.write("POST", url, Expect::Anything, Some(promote)) {
            Ok(promoted) => Ok(Promotion::Made(Box::new(promoted))),
            Err(ClientError::Refused(problem)) if !problem.conflicts.is_empty() => {
                Ok(Promotion::Conflicts(problem.conflicts))
            }
            Err(error) => Err(error),
        }
    }

    /// Makes an environment.
    pub fn create_environment(&self, new: &NewEnvironment) -> Result<WrittenEnvironment, ClientError> {
        let url = self.server().url("/api/environments", &Path::root(), "", &[]);
        self.write("POST", url, Expect::Anything, Some(new))
    }

    /// Brings an environment back to what it held.
    pub fn roll_environment_back(
        &self,
        env: &str,
        rollback: &EnvironmentRollback,
    ) -> Result<WrittenEnvironment, ClientError> {
        let at = Path::from_segments([env]).unwrap_or_else(|_| Path::root());
        let url = self.server().url("/api/environments", &at, "/rollback", &[]);
        self.write("POST", url, Expect::Anything, Some(rollback))
    }

    /// Makes several edits, given as the body of the request; tells again and again how many of its bytes are sent.
    pub fn batch_watched(
        &self,
        body: &[u8],
        sent: &mut dyn FnMut(usize),
    ) -> Result<BatchWritten, ClientError> {
        let url = self.server().url("/api/batch", &Path::root(), "", &[]);
        let headers = vec![("content-type", "application/json".to_owned())];
        let answer =
            self.transport.send_watched(Call { method: "POST", url, headers, body: Some(body) }, sent)?;
        self.transport.parse(&answer)
    }

    pub(super) fn write<T: serde::de::DeserializeOwned>(
        &self,
        method: &'static str,
        url: String,
        expect: Expect,
        body: Option<&impl serde::Serialize>,
    ) -> Result<T, ClientError> {
        let mut headers = precondition(expect);
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

/// The headers that say what has to hold (RFC 9110 section 13).
fn precondition(expect: Expect) -> Vec<(&'static str, String)> {
    match expect {
        Expect::Anything => Vec::new(),
        Expect::Absent => vec![("if-none-match", "*".to_owned())],
        Expect::Version(version) => vec![("if-match", format!("\"{version}\""))],
    }
}
