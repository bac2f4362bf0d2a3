//! Response heads.

use crate::tally::Failure;

/// The maximum number of headers. The servers send fewer.
const MAX_HEADER_COUNT: usize = 32;

/// The parts of a response head that the load generator uses.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ResponseHead {
    pub(crate) status: u16,
    /// The server process, from the header `x-worker`.
    pub(crate) worker: Option<u32>,
    /// Set if the server closes the connection after this response.
    pub(crate) closes_connection: bool,
    pub(crate) body: BodyFraming,
    /// Length of the head in bytes.
    pub(crate) length: usize,
}

/// The framing of a response body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BodyFraming {
    Length(usize),
    Chunked,
    /// The body ends when the connection is closed.
    UntilClose,
}

impl ResponseHead {
    /// Parses the head at the start of `bytes`. Returns `None` if it is incomplete.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Self>, Failure> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADER_COUNT];
        let mut response = httparse::Response::new(&mut headers);
        let parsed = response.parse(bytes).map_err(|_| Failure::Malformed)?;
        let httparse::Status::Complete(length) = parsed else {
            return Ok(None);
        };
        let status = response.code.ok_or(Failure::Malformed)?;
        let mut head = ResponseHead {
            status,
            worker: None,
            closes_connection: response.version == Some(0),
            body: BodyFraming::UntilClose,
            length,
        };
        for header in response.headers.iter() {
            let is_named = |name: &str| header.name.eq_ignore_ascii_case(name);
            if is_named("content-length") {
                let length = number(header.value).ok_or(Failure::Malformed)?;
                head.body = BodyFraming::Length(length);
            } else if is_named("transfer-encoding") {
                head.body = BodyFraming::Chunked;
            } else if is_named("connection") {
                head.closes_connection = header.value.eq_ignore_ascii_case(b"close");
            } else if is_named("x-worker") {
                head.worker = number(header.value);
            }
        }
        if matches!(status, 204 | 304) {
            head.body = BodyFraming::Length(0);
        }
        head.closes_connection |= head.body == BodyFraming::UntilClose;
        Ok(Some(head))
    }
}

fn number<T: std::str::FromStr>(value: &[u8]) -> Option<T> {
    std::str::from_utf8(value).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> ResponseHead {
        ResponseHead::parse(text.as_bytes()).unwrap().unwrap()
    }

    #[test]
    fn head_contains_worker_and_body_framing() {
        let text = "HTTP/1.1 200 OK\r\nX-Worker: 17\r\nContent-Length: 6\r\n\r\nhello\n";
        let expected = ResponseHead {
            status: 200,
            worker: Some(17),
            closes_connection: false,
            body: BodyFraming::Length(6),
            length: text.len() - 6,
        };
        assert_eq!(head(text), expected);
        let chunked = head("HTTP/1.1 503 Busy\r\ntransfer-encoding: chunked\r\n\r\n");
        assert_eq!((chunked.status, chunked.body), (503, BodyFraming::Chunked));
        assert_eq!(head("HTTP/1.1 204 No\r\n\r\n").body, BodyFraming::Length(0));
    }

    #[test]
    fn connection_header_and_framing_determine_closing() {
        let closes_connection =
            |headers: &str| head(&format!("HTTP/1.1 200 OK\r\n{headers}\r\n")).closes_connection;
        assert!(closes_connection(
            "Content-Length: 0\r\nConnection: Close\r\n"
        ));
        assert!(!closes_connection(
            "Content-Length: 0\r\nConnection: keep-alive\r\n"
        ));
        assert!(closes_connection(""));
    }

    #[test]
    fn partial_head_is_incomplete_and_garbage_is_malformed() {
        assert_eq!(ResponseHead::parse(b"HTTP/1.1 200 OK\r\nCont"), Ok(None));
        assert_eq!(
            ResponseHead::parse(b"SMTP 220\r\n\r\n"),
            Err(Failure::Malformed)
        );
        let length = b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n";
        assert_eq!(ResponseHead::parse(length), Err(Failure::Malformed));
    }
}
