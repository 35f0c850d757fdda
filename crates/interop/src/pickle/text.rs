//! The strings of protocol 0, which are written as Python source.

/// `'...'` or `"..."` with Python 2's escapes to the bytes it stands for.
pub(super) fn quoted(line: &[u8]) -> Option<Vec<u8>> {
    let line = line.trim_ascii();
    let (&quote, rest) = line.split_first()?;
    let (&last, body) = rest.split_last()?;
    if !matches!(quote, b'\'' | b'"') || last != quote {
        return None;
    }
    let mut out = Vec::with_capacity(body.len());
    let mut bytes = body.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        match bytes.next()? {
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'x' => {
                let digits = [bytes.next()?, bytes.next()?];
                out.push(u8::from_str_radix(str::from_utf8(&digits).ok()?, 16).ok()?);
            }
            escaped @ (b'\\' | b'\'' | b'"') => out.push(escaped),
            _ => return None,
        }
    }
    Some(out)
}

/// Latin-1 with `\uXXXX` and `\UXXXXXXXX` to text.
pub(super) fn raw_unicode(line: &[u8]) -> Option<String> {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let [byte, after @ ..] = rest {
        let digits = match rest {
            [b'\\', b'u', ..] => 4,
            [b'\\', b'U', ..] => 8,
            _ => {
                out.push(char::from(*byte));
                rest = after;
                continue;
            }
        };
        let code = str::from_utf8(rest.get(2..2 + digits)?).ok()?;
        out.push(char::from_u32(u32::from_str_radix(code, 16).ok()?)?);
        rest = &rest[2 + digits..];
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_come_back_as_what_they_stand_for() {
        assert_eq!(quoted(br"'a\x00\n\'\\b'").unwrap(), b"a\0\n'\\b");
        assert_eq!(quoted(b"\"it's\"").unwrap(), b"it's");
        assert_eq!(raw_unicode(b"a\\u3042\xe9").unwrap(), "a\u{3042}\u{e9}");
        for bad in [&b"'"[..], b"", b"'a", b"'\\x1'", b"'\\'"] {
            assert!(quoted(bad).is_none(), "{bad:?}");
        }
        assert!(raw_unicode(b"\\u12").is_none() && raw_unicode(b"\\ud800").is_none());
    }
}
