//! The header of the PROXY protocol.

use bytes::{Bytes, BytesMut};
use ppp::{HeaderResult, PartialResult, v1, v2};
use std::{io, net::IpAddr};
use tokio::io::{AsyncRead, AsyncReadExt};

/// The maximum length of a header. Extensions of version 2, such as the name in a
/// certificate, are usually a few hundred bytes.
const MAX_HEADER_BYTES: usize = 4096;

/// A PROXY header, and the bytes that followed it.
#[derive(Debug, PartialEq)]
pub(super) struct ProxyHeader {
    /// The client that the proxy names. `None` for a health check, or for a client without
    /// an IP address.
    pub(super) client: Option<IpAddr>,
    pub(super) rest: Bytes,
}

/// Reads a header, and no more than that is necessary of what follows.
///
/// # Errors
///
/// If the header is missing, invalid or too long, or the connection ends.
pub(super) async fn read<I: AsyncRead + Unpin>(io: &mut I) -> io::Result<ProxyHeader> {
    let mut bytes = BytesMut::with_capacity(256);
    loop {
        if io.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some((length, client)) = parse(&bytes)? {
            let rest = bytes.split_off(length).freeze();
            return Ok(ProxyHeader { client, rest });
        }
        if bytes.len() >= MAX_HEADER_BYTES {
            return Err(io::Error::other("the PROXY header is longer than 4 KiB"));
        }
    }
}

/// Parses a header. Returns its length and the client, or `None` if it is incomplete.
fn parse(bytes: &[u8]) -> io::Result<Option<(usize, Option<IpAddr>)>> {
    let result = HeaderResult::parse(bytes);
    if result.is_incomplete() {
        return Ok(None);
    }
    match result {
        HeaderResult::V1(Ok(header)) => {
            let client = match header.addresses {
                v1::Addresses::Unknown => None,
                v1::Addresses::Tcp4(addresses) => Some(addresses.source_address.into()),
                v1::Addresses::Tcp6(addresses) => Some(addresses.source_address.into()),
            };
            Ok(Some((header.header.len(), client)))
        }
        HeaderResult::V2(Ok(header)) => {
            let client = match header.addresses {
                _ if header.command == v2::Command::Local => None,
                v2::Addresses::IPv4(addresses) => Some(addresses.source_address.into()),
                v2::Addresses::IPv6(addresses) => Some(addresses.source_address.into()),
                v2::Addresses::Unspecified | v2::Addresses::Unix(_) => None,
            };
            Ok(Some((header.len(), client)))
        }
        HeaderResult::V1(Err(_)) | HeaderResult::V2(Err(_)) => {
            Err(io::Error::other("it does not start with a PROXY header"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tokio::io::{AsyncWriteExt, duplex};

    fn version_2(command: v2::Command, addresses: impl Into<v2::Addresses>) -> Vec<u8> {
        let version = v2::Version::Two | command;
        let builder = v2::Builder::with_addresses(version, v2::Protocol::Stream, addresses.into());
        builder.build().unwrap()
    }

    fn ip(text: &str) -> Option<IpAddr> {
        text.parse().ok()
    }

    fn headers() -> Vec<(Vec<u8>, Option<IpAddr>)> {
        let ipv4 = v2::IPv4::new([203, 0, 113, 9], [127, 0, 0, 1], 4711, 80);
        let ipv6 = v2::IPv6::new(
            [0x2001, 0xdb8, 0, 0, 0, 0, 0, 9],
            [0, 0, 0, 0, 0, 0, 0, 1],
            4711,
            80,
        );
        vec![
            (
                b"PROXY TCP4 203.0.113.9 127.0.0.1 4711 80\r\n".into(),
                ip("203.0.113.9"),
            ),
            (
                b"PROXY TCP6 2001:db8::9 ::1 4711 80\r\n".into(),
                ip("2001:db8::9"),
            ),
            (b"PROXY UNKNOWN\r\n".into(), None),
            (version_2(v2::Command::Proxy, ipv4), ip("203.0.113.9")),
            (version_2(v2::Command::Proxy, ipv6), ip("2001:db8::9")),
            (version_2(v2::Command::Local, ipv4), None),
            (
                version_2(v2::Command::Proxy, v2::Addresses::Unspecified),
                None,
            ),
        ]
    }

    #[tokio::test]
    async fn headers_in_pieces_are_read() {
        for (header, client) in headers() {
            for split in 1..header.len() {
                let (mut sender, mut receiver) = duplex(4096);
                let reading = async {
                    let mut sent = header.clone();
                    sent.extend(b"GET /");
                    let (first, second) = sent.split_at(split);
                    sender.write_all(first).await.unwrap();
                    tokio::task::yield_now().await;
                    sender.write_all(second).await.unwrap();
                };
                let (read, ()) = tokio::join!(read(&mut receiver), reading);
                let read = read.unwrap();
                assert_eq!(read.client, client);
                assert!(b"GET /".starts_with(&read.rest), "{read:?}");
            }
        }
    }

    #[tokio::test]
    async fn other_bytes_are_rejected() {
        let mut too_long = version_2(v2::Command::Proxy, v2::Addresses::Unspecified);
        too_long[14..16].copy_from_slice(&u16::MAX.to_be_bytes());
        too_long.extend([0; 8192]);
        for bytes in [
            b"GET / HTTP/1.1\r\nhost: test\r\n\r\n".to_vec(),
            b"PROXY TCP4 203.0.113.9 127.0.0.1 99999 80\r\n".to_vec(),
            b"PROXY TCP4 203.0.113 127.0.0.1 4711 80\r\n".to_vec(),
            b"PROXY TCP4 ".to_vec(),
            b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c".to_vec(),
            b"PROXY UNKNOWN ".repeat(100),
            too_long,
            Vec::new(),
        ] {
            let (mut sender, mut receiver) = duplex(16_384);
            sender.write_all(&bytes).await.unwrap();
            drop(sender);
            assert!(read(&mut receiver).await.is_err(), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn parser_does_not_panic(prefix in 0..3_usize, bytes in any::<Vec<u8>>()) {
            let prefix = [&b""[..], b"PROXY TCP4 ", b"\r\n\r\n\0\r\nQUIT\n"][prefix];
            let bytes = [prefix, &bytes].concat();
            let _ = parse(&bytes);
        }
    }
}
