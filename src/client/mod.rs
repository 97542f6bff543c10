//! The HTTP client of the command line: one method per verb of the API, blocking.
//!
//! Nothing here prints, and no token is ever part of an error.

mod access;
mod address;
mod download;
mod error;
mod look;
mod proposal;
mod read;
mod request;
mod token;
mod transport;
mod watch;
mod write;

pub use access::{AccessQuestion, AuditQuestion};
pub use address::{AddressError, ServerAddress};
pub use download::Download;
pub use error::ClientError;
pub use proposal::ProposalQuestion;
pub use request::{Comparison, Expect, Export, Moment, Node, PatchKind, Place, Promotion, Sides};
pub use token::Token;
pub use watch::{Heard, Settled, WatchQuestion, Watching};

use std::sync::Arc;
use std::time::Duration;

pub use crate::wire::{ListItem, Listing, Written};

use self::transport::{REQUEST_TIMEOUT, Transport};

/// A connection to one server, or to one project of it.
#[derive(Debug, Clone)]
pub struct Client {
    transport: Arc<Transport>,
}

impl Client {
    /// A client of the server at an address, with a key to show it. Nothing is sent yet.
    pub fn new(server: ServerAddress, token: Option<Token>) -> Self {
        Client { transport: Arc::new(Transport::new(server, token, REQUEST_TIMEOUT)) }
    }

    /// The same, for whom an answer that takes longer than this is none.
    pub fn impatient(server: ServerAddress, token: Option<Token>, timeout: Duration) -> Self {
        Client { transport: Arc::new(Transport::new(server, token, timeout)) }
    }

    /// Where the server is.
    pub fn server(&self) -> &ServerAddress {
        self.transport.server()
    }
}
