//! `--gpus`. Source of keys and texts: docker/cli `opts/gpus.go`.

use super::csv;
use super::environment::pair;
use tierce_oci::container::DeviceRequest;

/// `all`, a number, or `driver=…,count=…,device=…,capabilities=…,options=…`.
pub(crate) fn parse(text: &str) -> Result<DeviceRequest, String> {
    let mut request = DeviceRequest::default();
    let mut seen: Vec<String> = Vec::new();
    for field in csv::fields(text)? {
        let (key, value) = field
            .split_once('=')
            .map_or((&*field, None), |(key, value)| (key, Some(value)));
        if seen.iter().any(|known| known == key) {
            return Err(format!("gpu request key '{key}' can be specified only once"));
        }
        seen.push(key.to_owned());
        let list = |value: &str| value.split(',').map(str::to_owned).collect::<Vec<_>>();
        match (key, value) {
            (count, None) => {
                seen.push("count".to_owned());
                request.count = parse_count(count)?;
            }
            ("count", Some(value)) => request.count = parse_count(value)?,
            ("driver", Some(value)) => value.clone_into(&mut request.driver),
            ("device", Some(value)) => request.device_ids = Some(list(value)),
            ("capabilities", Some(value)) => {
                let mut wanted = list(value);
                wanted.push("gpu".to_owned());
                request.capabilities = Some(vec![wanted]);
            }
            ("options", Some(value)) => {
                let options = csv::fields(value).map_err(|error| format!("failed to read gpu options: {error}"))?;
                request.options = Some(options.iter().map(|option| pair(option)).collect());
            }
            (key, Some(_)) => return Err(format!("unexpected key '{key}' in '{field}'")),
        }
    }
    if request.device_ids.is_none() && !seen.iter().any(|key| key == "count") {
        request.count = 1;
    }
    request.options.get_or_insert_default();
    request.capabilities.get_or_insert_with(|| vec![vec!["gpu".to_owned()]]);
    Ok(request)
}

fn parse_count(text: &str) -> Result<i64, String> {
    if text == "all" {
        return Ok(-1);
    }
    text.parse()
        .map_err(|_| format!("invalid count ({text}): value must be either \"all\" or an integer: invalid syntax"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_dockers() {
        let all = parse("all").unwrap();
        assert_eq!(
            (all.count, all.capabilities.unwrap()),
            (-1, vec![vec!["gpu".to_owned()]])
        );
        let named = parse("\"device=0,1\",driver=cdi").unwrap();
        assert_eq!(named.device_ids.unwrap(), ["0", "1"]);
        assert_eq!((named.count, &*named.driver), (0, "cdi"));
        let wanted = parse("2,capabilities=compute").unwrap();
        assert_eq!(wanted.count, 2);
        assert_eq!(wanted.capabilities.unwrap()[0], ["compute", "gpu"]);
        assert_eq!(parse("driver=x").unwrap().count, 1);
        for bad in ["some", "count=x", "driver=a,driver=b", "frob=1", "1,count=2"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
