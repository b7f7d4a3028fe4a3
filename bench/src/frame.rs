//! The parts of WebSocket framing that a subscriber needs: complete, unmasked frames from a server, and small masked
//! frames to it.

use crate::Outcome;

/// The opcode of text.
pub(crate) const TEXT: u8 = 1;
/// The opcode that closes the connection.
pub(crate) const CLOSE: u8 = 8;
/// The opcode that checks whether the other side is present.
pub(crate) const PING: u8 = 9;
/// The opcode of the response to a ping.
pub(crate) const PONG: u8 = 10;

/// A frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    /// The opcode.
    pub(crate) opcode: u8,
    /// The payload.
    pub(crate) payload: &'a [u8],
}

/// Returns the first frame of `bytes` and its length. Returns `None` if it is incomplete.
pub(crate) fn first(bytes: &[u8]) -> Outcome<Option<(Frame<'_>, usize)>> {
    let [kind, length, rest @ ..] = bytes else { return Ok(None) };
    if kind & 0xf0 != 0x80 || length & 0x80 != 0 {
        return Err("a frame in fragments, with extensions or masked".into());
    }
    let (length, rest) = match length {
        127 => match rest.split_first_chunk() {
            Some((length, rest)) => (usize::try_from(u64::from_be_bytes(*length))?, rest),
            None => return Ok(None),
        },
        126 => match rest.split_first_chunk() {
            Some((length, rest)) => (usize::from(u16::from_be_bytes(*length)), rest),
            None => return Ok(None),
        },
        short => (usize::from(*short), rest),
    };
    let Some(payload) = rest.get(..length) else { return Ok(None) };
    let taken = bytes.len() - rest.len() + length;
    Ok(Some((Frame { opcode: kind & 0x0f, payload }, taken)))
}

/// Returns a client's frame. Its mask is zero, which saves work. Browsers must not do this.
pub(crate) fn masked(opcode: u8, payload: &[u8]) -> Outcome<Vec<u8>> {
    let mut frame = vec![0x80 | opcode];
    match u8::try_from(payload.len()) {
        Ok(length) if length < 126 => frame.push(0x80 | length),
        _ => {
            frame.push(0xfe);
            frame.extend_from_slice(&u16::try_from(payload.len())?.to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    Ok(frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a server's frame.
    fn unmasked(payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![0x81];
        match payload.len() {
            short @ 0..126 => frame.push(u8::try_from(short).unwrap()),
            middle @ 126..65_536 => {
                frame.push(126);
                frame.extend_from_slice(&u16::try_from(middle).unwrap().to_be_bytes());
            }
            long => {
                frame.push(127);
                frame.extend_from_slice(&(long as u64).to_be_bytes());
            }
        }
        frame.extend_from_slice(payload);
        frame
    }

    #[test]
    fn frames_of_all_lengths_are_read() {
        for length in [0, 1, 125, 126, 127, 65_535, 65_536, 70_000] {
            let payload = vec![b'x'; length];
            let mut bytes = unmasked(&payload);
            let whole = bytes.len();
            bytes.extend_from_slice(&unmasked(b"next"));
            let (frame, taken) = first(&bytes).unwrap().unwrap();
            assert_eq!((frame.opcode, frame.payload, taken), (TEXT, payload.as_slice(), whole));
            let (frame, _) = first(&bytes[taken..]).unwrap().unwrap();
            assert_eq!(frame.payload, b"next");
        }
    }

    #[test]
    fn a_frame_that_is_not_all_there_is_waited_for() {
        for payload in [vec![b'x'; 5], vec![b'x'; 300], vec![b'x'; 70_000]] {
            let bytes = unmasked(&payload);
            for cut in (0..bytes.len()).step_by(7) {
                assert_eq!(first(&bytes[..cut]).unwrap(), None, "{cut} of {}", bytes.len());
            }
        }
    }

    #[test]
    fn invalid_server_frames_are_errors() {
        assert!(first(&[0x01, 1, b'x']).is_err(), "a fragment");
        assert!(first(&[0xc1, 1, b'x']).is_err(), "compressed");
        assert!(first(&masked(TEXT, b"x").unwrap()).is_err(), "masked");
    }

    #[test]
    fn a_clients_frame_is_masked() {
        assert_eq!(masked(PONG, b"a").unwrap(), [0x8a, 0x81, 0, 0, 0, 0, b'a']);
        assert_eq!(masked(TEXT, &[0; 200]).unwrap()[..4], [0x81, 0xfe, 0, 200]);
    }
}
