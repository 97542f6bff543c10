//! The two messages the bench sends, encoded by hand: protocol buffers inside a gRPC frame.

use bytes::Bytes;

/// Field numbers of etcd's `rpc.proto` (etcd 3.4), with the wire type in the low three bits: 2 is a length
/// and bytes, 0 a varint.
const KEY: u8 = 1 << 3 | 2;
const VALUE: u8 = 2 << 3 | 2;
const SERIALIZABLE: u8 = 7 << 3;

/// A gRPC frame with a `RangeRequest` of one key that any member may answer from its own state.
pub fn range_request(key: &[u8]) -> Bytes {
    let mut message = Vec::with_capacity(key.len() + 8);
    put_bytes(KEY, key, &mut message);
    message.extend([SERIALIZABLE, 1]);
    frame(&message)
}

/// A gRPC frame with a `PutRequest`.
pub fn put_request(key: &[u8], value: &[u8]) -> Bytes {
    let mut message = Vec::with_capacity(key.len() + value.len() + 16);
    put_bytes(KEY, key, &mut message);
    put_bytes(VALUE, value, &mut message);
    frame(&message)
}

/// A gRPC frame with a `WatchRequest` that creates a watch of one key.
pub fn watch_request(key: &[u8]) -> Bytes {
    let (mut create, mut message) = (Vec::new(), Vec::new());
    put_bytes(KEY, key, &mut create);
    // The request to create is field 1, too.
    put_bytes(KEY, &create, &mut message);
    frame(&message)
}

fn put_bytes(tag: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    let mut rest = bytes.len();
    while rest >= 0x80 {
        out.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
    out.extend_from_slice(bytes);
}

/// Prefixes a message with "not compressed" and its length.
fn frame(message: &[u8]) -> Bytes {
    let mut frame = Vec::with_capacity(message.len() + 5);
    frame.push(0);
    frame.extend((message.len() as u32).to_be_bytes());
    frame.extend_from_slice(message);
    frame.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_as_protoc_encodes_them() {
        assert_eq!(&range_request(b"k")[..], b"\0\0\0\0\x05\x0a\x01k\x38\x01");
        assert_eq!(&put_request(b"k", b"vw")[..], b"\0\0\0\0\x07\x0a\x01k\x12\x02vw");
        assert_eq!(&watch_request(b"k")[..], b"\0\0\0\0\x05\x0a\x03\x0a\x01k");
        let long = put_request(b"k", &[b'v'; 300]);
        assert_eq!(&long[8..11], b"\x12\xac\x02", "300 as a varint");
        assert_eq!(long.len(), 5 + 3 + 3 + 300);
    }
}
