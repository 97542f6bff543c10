use super::read::get;
use super::{Client, ClientError, Expect};
use crate::model::Path;
use crate::wire::{NewProposal, Proposal, ProposalAct, ProposalDetails, Proposals};

/// Which proposals are asked for.
#[derive(Debug, Clone, Default)]
pub struct ProposalQuestion {
    /// What became of them: `open`, `merged`, `closed` or `all`.
    pub is: String,
    /// Those that change an environment.
    pub env: Option<String>,
    /// Those that an account opened.
    pub author: Option<String>,
    /// Those with smaller numbers.
    pub older_than: Option<u64>,
    /// So many.
    pub limit: usize,
}

impl Client {
    /// Proposals, the newest first.
    pub fn proposals(&self, question: &ProposalQuestion) -> Result<Proposals, ClientError> {
        let ProposalQuestion { is, env, author, older_than, limit } = question;
        let mut query = vec![("is", is.clone()), ("limit", limit.to_string())];
        query.extend(env.clone().map(|env| ("env", env)));
        query.extend(author.clone().map(|author| ("author", author)));
        query.extend(older_than.map(|number| ("older_than", number.to_string())));
        self.transport.json(get(self.server().url("/api/proposals", &Path::root(), "", &query)))
    }

    /// All that is known of a proposal.
    pub fn proposal(&self, number: u64) -> Result<ProposalDetails, ClientError> {
        self.transport.json(get(self.server().url(
            &format!("/api/proposals/{number}"),
            &Path::root(),
            "",
            &[],
        )))
    }

    /// Opens a proposal.
    pub fn open_proposal(&self, new: &NewProposal) -> Result<Proposal, ClientError> {
        let url = self.server().url("/api/proposals", &Path::root(), "", &[]);
        self.write("POST", url, Expect::Anything, Some(new))
    }

    /// Does something to a proposal.
    pub fn act_on_proposal(
        &self,
        number: u64,
        act: &str,
        body: &ProposalAct,
    ) -> Result<Proposal, ClientError> {
        let url = self.server().url(&format!("/api/proposals/{number}/{act}"), &Path::root(), "", &[]);
        self.write("POST", url, Expect::Anything, Some(body))
    }
}
