//! Parts of blobs, as `Range` asks for them and `Content-Range` sends them.

use std::ops::Range;

/// The part of `size` bytes that the header `Range` asks for: `None` for all of them, an error when it has none of them.
/// Of several parts none is given, which RFC 9110 leaves to the server.
pub(crate) fn wanted(header: &str, size: u64) -> Option<Result<Range<u64>, ()>> {
    let (first, last) = header.trim().strip_prefix("bytes=")?.split_once('-')?;
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let range = match (first.trim(), last.trim()) {
        ("", last) => size.saturating_sub(number(last)?)..size,
        (first, "") => number(first)?..size,
        (first, last) => number(first)?..number(last)?.saturating_add(1).min(size),
    };
    Some(if range.is_empty() { Err(()) } else { Ok(range) })
}

/// The part of a blob that the header `Content-Range` says a request has: `<first>-<last>`.
pub(crate) fn sent(header: &str) -> Option<Range<u64>> {
    let (first, last) = header.trim().split_once('-')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(first) || !digits(last) {
        return None;
    }
    let range = first.parse().ok()?..last.parse::<u64>().ok()?.checked_add(1)?;
    (!range.is_empty()).then_some(range)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_within_the_blob_or_refused() {
        for (header, wanted_range) in [
            ("bytes=500-1499", Some(Ok(500..1500))),
            ("bytes=500-", Some(Ok(500..2048))),
            ("bytes=-500", Some(Ok(1548..2048))),
            ("bytes=-5000", Some(Ok(0..2048))),
            ("bytes=2000-5000", Some(Ok(2000..2048))),
            ("bytes=0-18446744073709551615", Some(Ok(0..2048))),
            ("bytes=500-0", Some(Err(()))),
            ("bytes=2048-", Some(Err(()))),
            ("bytes=5000-10000", Some(Err(()))),
            ("bytes=-0", Some(Err(()))),
            ("bytes=0-1,3-4", None),
            ("bytes=x-", None),
            ("lines=0-1", None),
            ("bytes=99999999999999999999-", None),
        ] {
            assert_eq!(wanted(header, 2048), wanted_range, "{header}");
        }
        assert_eq!(wanted("bytes=0-", 0), Some(Err(())));
        assert_eq!(sent("0-99"), Some(0..100));
        for header in [
            "",
            "-",
            "5-4",
            "bytes 0-1/2",
            "0-",
            "-1",
            "+0-1",
            "0-18446744073709551615",
            "0-1-2",
        ] {
            assert_eq!(sent(header), None, "{header}");
        }
    }
}
