use crate::service::SeenClient;
use crate::wire;

/// Somebody who watches, or is missed, as lists show it.
pub fn client(seen: &SeenClient) -> wire::Client {
    let SeenClient { client, left_at, lag, is_address_told } = seen;
    let introduction = &client.introduction;
    let address = introduction.address.as_ref().filter(|_| *is_address_told);
    wire::Client {
        id: client.id.to_string(),
        account: introduction.account.to_string(),
        state: if left_at.is_some() { "lost" } else { "connected" }.to_owned(),
        watching: client.watched.prefixes.iter().map(ToString::to_string).collect(),
        view: client.watched.facet.to_owned(),
        env: client.watched.environment.to_string(),
        connected_at: client.connected_at.to_string(),
        left_at: left_at.map(|left| left.to_string()),
        sequence: client.sequence().0,
        acknowledged: client.acknowledged().map(|sequence| sequence.0),
        lag_ms: u64::try_from(lag.as_millis()).unwrap_or(u64::MAX),
        transport: introduction.transport.name().to_owned(),
        address: address.map(ToString::to_string),
        sdk: introduction.sdk.as_ref().map(ToString::to_string),
    }
}
