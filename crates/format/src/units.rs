//! Sizes and cut texts. Source of the forms: `docker/go-units`, docker/cli's `formatter.Ellipsis`.

/// Decimal size with three significant digits: `1.23MB`.
pub fn size(bytes: f64) -> String {
    scaled(bytes, 1000.0, &["B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"], 3)
}

/// Decimal size with four significant digits: `1.234MB`.
pub fn exact_size(bytes: f64) -> String {
    scaled(bytes, 1000.0, &["B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"], 4)
}

/// Binary size with four significant digits: `1.944GiB`.
pub fn binary_size(bytes: f64) -> String {
    scaled(
        bytes,
        1024.0,
        &["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"],
        4,
    )
}

fn scaled(mut value: f64, base: f64, names: &[&str], digits: usize) -> String {
    let mut unit = 0;
    while value >= base && unit + 1 < names.len() {
        value /= base;
        unit += 1;
    }
    format!("{}{}", significant(value, digits), names[unit])
}

/// C's `%.<digits>g` for values from 0 to 1024.
fn significant(value: f64, digits: usize) -> String {
    let whole = if value >= 1000.0 {
        4
    } else if value >= 100.0 {
        3
    } else if value >= 10.0 {
        2
    } else {
        1
    };
    let text = format!("{value:.*}", digits.saturating_sub(whole));
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// At most `length` characters, the last one `…` where something was cut.
pub fn ellipsis(text: &str, length: usize) -> String {
    if text.chars().count() <= length {
        return text.to_owned();
    }
    text.chars()
        .take(length.saturating_sub(1))
        .chain(std::iter::once('…'))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_as_docker_does() {
        for (bytes, text) in [
            (0.0, "0B"),
            (999.0, "999B"),
            (1000.0, "1kB"),
            (1234.0, "1.23kB"),
            (4_261_234.0, "4.26MB"),
            (123_456_789.0, "123MB"),
        ] {
            assert_eq!(size(bytes), text);
        }
        assert_eq!(exact_size(1_982_306.0), "1.982MB");
        assert_eq!(binary_size(25_769_803_776.0), "24GiB");
        assert_eq!(binary_size(2_087_518_208.0), "1.944GiB");
    }

    #[test]
    fn long_texts_are_cut() {
        assert_eq!(ellipsis("docker-entrypoint.sh redis", 20), "docker-entrypoint.s…");
        assert_eq!(ellipsis("short", 20), "short");
    }
}
