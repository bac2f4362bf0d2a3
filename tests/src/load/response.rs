//! The head of a response.

use crate::tally::Failure;

/// More headers than any of the servers sends.
const MAX_HEADERS: usize = 32;

/// The parts of a head that the load generator uses.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ResponseHead {
    pub(crate) status: u16,
    /// The process that has responded, from the header `x-worker`.
    pub(crate) worker: Option<u32>,
    /// Set if the connection ends after this response.
    pub(crate) closes: bool,
    pub(crate) body: BodyFraming,
    /// Length of the head in bytes.
    pub(crate) length: usize,
}

/// The framing of the body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BodyFraming {
    Length(usize),
    Chunked,
    /// The body ends with the connection.
    ToEnd,
}

impl ResponseHead {
    /// Parses the head at the start of `bytes`. Returns `None` if it is incomplete.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Self>, Failure> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let parsed = response.parse(bytes).map_err(|_| Failure::Malformed)?;
        let httparse::Status::Complete(length) = parsed else {
            return Ok(None);
        };
        let status = response.code.ok_or(Failure::Malformed)?;
        let mut head = ResponseHead {
            status,
            worker: None,
            closes: response.version == Some(0),
            body: BodyFraming::ToEnd,
            length,
        };
        for header in response.headers.iter() {
            let is = |name: &str| header.name.eq_ignore_ascii_case(name);
            if is("content-length") {
                let length = number(header.value).ok_or(Failure::Malformed)?;
                head.body = BodyFraming::Length(length);
            } else if is("transfer-encoding") {
                head.body = BodyFraming::Chunked;
            } else if is("connection") {
                head.closes = header.value.eq_ignore_ascii_case(b"close");
            } else if is("x-worker") {
                head.worker = number(header.value);
            }
        }
        if matches!(status, 204 | 304) {
            head.body = BodyFraming::Length(0);
        }
        head.closes |= head.body == BodyFraming::ToEnd;
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
    fn head_has_worker_and_body_framing() {
        let text = "HTTP/1.1 200 OK\r\nX-Worker: 17\r\nContent-Length: 6\r\n\r\nhello\n";
        let expected = ResponseHead {
            status: 200,
            worker: Some(17),
            closes: false,
            body: BodyFraming::Length(6),
            length: text.len() - 6,
        };
        assert_eq!(head(text), expected);
        let chunked = head("HTTP/1.1 503 Busy\r\ntransfer-encoding: chunked\r\n\r\n");
        assert_eq!((chunked.status, chunked.body), (503, BodyFraming::Chunked));
        assert_eq!(head("HTTP/1.1 204 No\r\n\r\n").body, BodyFraming::Length(0));
    }

    #[test]
    fn connection_closes_on_request_or_without_framing() {
        let closes = |headers: &str| head(&format!("HTTP/1.1 200 OK\r\n{headers}\r\n")).closes;
        assert!(closes("Content-Length: 0\r\nConnection: Close\r\n"));
        assert!(!closes("Content-Length: 0\r\nConnection: keep-alive\r\n"));
        assert!(closes(""));
    }

    #[test]
    fn partial_head_is_incomplete_and_garbage_malformed() {
        assert_eq!(ResponseHead::parse(b"HTTP/1.1 200 OK\r\nCont"), Ok(None));
        assert_eq!(
            ResponseHead::parse(b"SMTP 220\r\n\r\n"),
            Err(Failure::Malformed)
        );
        let length = b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n";
        assert_eq!(ResponseHead::parse(length), Err(Failure::Malformed));
    }
}
