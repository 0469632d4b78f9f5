//! Flags about block devices, which `run`, `create` and `update` have. Source of the texts: docker/cli
//! `opts/throttledevice.go`, `opts/weightdevice.go`.

use clap::Args;
use tierce_oci::container::{ResourceConfig, ThrottleConfig, WeightConfig};
use tierce_oci::parse_bytes;

/// Weights and rates of block devices.
#[derive(Debug, Args)]
pub struct BlockFlags {
    /// Block IO (relative weight), between 10 and 1000, or 0 to disable (default 0)
    #[arg(long, value_name = "uint16", default_value = "0", hide_default_value = true)]
    blkio_weight: u16,
    /// Block IO weight (relative device weight)
    #[arg(long, value_name = "list", value_parser = parse_weight)]
    blkio_weight_device: Vec<WeightConfig>,
    /// Limit read rate (bytes per second) from a device
    #[arg(long, value_name = "list", value_parser = parse_bytes_rate)]
    device_read_bps: Vec<ThrottleConfig>,
    /// Limit read rate (IO per second) from a device
    #[arg(long, value_name = "list", value_parser = parse_rate)]
    device_read_iops: Vec<ThrottleConfig>,
    /// Limit write rate (bytes per second) to a device
    #[arg(long, value_name = "list", value_parser = parse_bytes_rate)]
    device_write_bps: Vec<ThrottleConfig>,
    /// Limit write rate (IO per second) to a device
    #[arg(long, value_name = "list", value_parser = parse_rate)]
    device_write_iops: Vec<ThrottleConfig>,
}

impl BlockFlags {
    /// Puts them into the limits of a container.
    pub fn apply(&self, resources: &mut ResourceConfig) {
        // Empty lists are sent too, as Docker's client does.
        let rates = |given: &Vec<ThrottleConfig>| Some(given.clone());
        resources.blkio_weight = self.blkio_weight;
        resources.blkio_weight_device = Some(self.blkio_weight_device.clone());
        resources.blkio_device_read_bps = rates(&self.device_read_bps);
        resources.blkio_device_read_iops = rates(&self.device_read_iops);
        resources.blkio_device_write_bps = rates(&self.device_write_bps);
        resources.blkio_device_write_iops = rates(&self.device_write_iops);
    }
}

/// `/dev/x:value`.
fn device(text: &str) -> Result<(&str, &str), String> {
    let (path, value) = text.split_once(':').ok_or_else(|| format!("bad format: {text}"))?;
    if path.starts_with("/dev/") {
        Ok((path, value))
    } else {
        Err(format!("bad format for device path: {text}"))
    }
}

fn parse_weight(text: &str) -> Result<WeightConfig, String> {
    let (path, weight) = device(text)?;
    match weight.parse() {
        Ok(weight @ (0 | 10..=1000)) => Ok(WeightConfig {
            path: path.to_owned(),
            weight,
        }),
        _ => Err(format!("invalid weight for device: {text}")),
    }
}

fn parse_bytes_rate(text: &str) -> Result<ThrottleConfig, String> {
    let (path, rate) = device(text)?;
    let rate = parse_bytes(rate).ok().and_then(|rate| u64::try_from(rate).ok());
    let rate = rate.ok_or_else(|| {
        format!(
            "invalid rate for device: {text}. The correct format is <device-path>:<number>[<unit>]. Number must be a \
             positive integer. Unit is optional and can be kb, mb, or gb"
        )
    })?;
    Ok(ThrottleConfig {
        path: path.to_owned(),
        rate,
    })
}

fn parse_rate(text: &str) -> Result<ThrottleConfig, String> {
    let (path, rate) = device(text)?;
    let rate = rate.parse().map_err(|_| {
        format!(
            "invalid rate for device: {text}. The correct format is <device-path>:<number>. Number must be a positive \
             integer"
        )
    })?;
    Ok(ThrottleConfig {
        path: path.to_owned(),
        rate,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_weights_are_read_as_docker_reads_them() {
        assert_eq!(parse_bytes_rate("/dev/sda:1mb").unwrap().rate, 1 << 20);
        assert_eq!(parse_rate("/dev/sda:10").unwrap().rate, 10);
        assert_eq!(parse_weight("/dev/sda:500").unwrap().weight, 500);
        assert_eq!(parse_weight("/dev/sda").unwrap_err(), "bad format: /dev/sda");
        assert_eq!(parse_rate("sda:1").unwrap_err(), "bad format for device path: sda:1");
        assert!(parse_weight("/dev/sda:5").is_err() && parse_weight("/dev/sda:1001").is_err());
        assert!(parse_rate("/dev/sda:1mb").is_err() && parse_bytes_rate("/dev/sda:-1").is_err());
    }
}
