//! CRC-64 of ISO 3309, as Go's `crc64.MakeTable(crc64.ISO)`: the checksum in tar-split files.

/// Reversed polynomial x⁶⁴ + x⁴ + x³ + x + 1.
const POLYNOMIAL: u64 = 0xD800_0000_0000_0000;

/// Tables for 16 bytes at a time: `TABLES[n][b]` is the remainder of byte `b` followed by `n` zero bytes.
static TABLES: [[u64; 256]; 16] = tables();

// Computed by the compiler: it is on no stack at run time.
#[allow(clippy::large_stack_arrays)]
const fn tables() -> [[u64; 256]; 16] {
    let mut tables = [[0; 256]; 16];
    let mut byte = 0;
    while byte < 256 {
        let mut remainder = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            remainder = if remainder & 1 == 1 {
                (remainder >> 1) ^ POLYNOMIAL
            } else {
                remainder >> 1
            };
            bit += 1;
        }
        tables[0][byte] = remainder;
        byte += 1;
    }
    let mut table = 1;
    while table < 16 {
        let mut byte = 0;
        while byte < 256 {
            let previous = tables[table - 1][byte];
            tables[table][byte] = tables[0][(previous & 0xFF) as usize] ^ (previous >> 8);
            byte += 1;
        }
        table += 1;
    }
    tables
}

/// A running checksum.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Crc64(u64);

impl Default for Crc64 {
    fn default() -> Self {
        Self(!0)
    }
}

impl Crc64 {
    /// Takes in more bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        let mut crc = self.0;
        let (chunks, rest) = bytes.as_chunks::<16>();
        for chunk in chunks {
            let mut next = 0;
            let head = (crc.to_le_bytes(), chunk);
            let mut index = 0;
            while index < 8 {
                next ^= TABLES[15 - index][usize::from(head.0[index] ^ head.1[index])];
                next ^= TABLES[7 - index][usize::from(head.1[index + 8])];
                index += 1;
            }
            crc = next;
        }
        for &byte in rest {
            crc = TABLES[0][usize::from(crc as u8 ^ byte)] ^ (crc >> 8);
        }
        self.0 = crc;
    }

    /// The checksum of everything taken in.
    pub(crate) fn finish(self) -> u64 {
        !self.0
    }
}

#[cfg(test)]
mod tests {
    use super::Crc64;

    #[test]
    fn the_check_value_of_go_iso() {
        let mut crc = Crc64::default();
        crc.update(b"123456789");
        assert_eq!(crc.finish(), 0xB909_56C7_75A4_1001);
        assert_eq!(Crc64::default().finish(), 0);
    }

    #[test]
    fn pieces_give_the_same_as_the_whole() {
        let bytes: Vec<u8> = (0..1000_u32).map(|n| (n * 7 % 251) as u8).collect();
        let mut whole = Crc64::default();
        whole.update(&bytes);
        for cut in [1, 7, 15, 16, 17, 500, 999] {
            let mut pieces = Crc64::default();
            pieces.update(&bytes[..cut]);
            pieces.update(&bytes[cut..]);
            assert_eq!(pieces.finish(), whole.finish(), "{cut}");
        }
    }
}
