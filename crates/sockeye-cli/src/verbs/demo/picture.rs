//! Small real pictures, drawn and packed as PNG by the device itself.
//!
//! A PNG file needs a zlib stream, and zlib allows stored (uncompressed) blocks: a camera-less board can
//! write a valid file with two checksums and no compressor.

/// Width of a device picture in pixels.
pub(crate) const WIDTH: usize = 96;
/// Height of a device picture in pixels.
pub(crate) const HEIGHT: usize = 64;

/// CRC-32 (IEEE 802.3), the checksum of PNG chunks, also sent beside a picture.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    crc32_of(&[bytes])
}

fn crc32_of(parts: &[&[u8]]) -> u32 {
    let mut crc = u32::MAX;
    for byte in parts.iter().copied().flatten() {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

fn adler32(bytes: &[u8]) -> u32 {
    let (mut a, mut b) = (1_u32, 0_u32);
    for byte in bytes {
        a = (a + u32::from(*byte)) % 65521;
        b = (b + a) % 65521;
    }
    (b << 16) | a
}

fn chunk(png: &mut Vec<u8>, kind: &[u8; 4], data: &[u8]) {
    png.extend((data.len() as u32).to_be_bytes());
    png.extend(kind);
    png.extend(data);
    png.extend(crc32_of(&[kind, data]).to_be_bytes());
}

/// Packs rows of RGB pixels as a PNG file. `rgb` holds `width * height * 3` bytes.
pub(crate) fn png(width: usize, height: usize, rgb: &[u8]) -> Vec<u8> {
    debug_assert_eq!(rgb.len(), width * height * 3);
    let mut raw = Vec::with_capacity(rgb.len() + height);
    for row in rgb.chunks_exact(width * 3) {
        raw.push(0); // no filter
        raw.extend(row);
    }
    let mut zlib = vec![0x78, 0x01];
    let blocks = raw.chunks(u16::MAX as usize);
    let last = blocks.len() - 1;
    for (index, block) in blocks.enumerate() {
        let length = block.len() as u16;
        zlib.push(u8::from(index == last));
        zlib.extend(length.to_le_bytes());
        zlib.extend((!length).to_le_bytes());
        zlib.extend(block);
    }
    zlib.extend(adler32(&raw).to_be_bytes());

    let mut header = Vec::with_capacity(13);
    header.extend((width as u32).to_be_bytes());
    header.extend((height as u32).to_be_bytes());
    header.extend([8, 2, 0, 0, 0]); // 8 bits, RGB, deflate, no interlace
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    chunk(&mut png, b"IHDR", &header);
    chunk(&mut png, b"IDAT", &zlib);
    chunk(&mut png, b"IEND", &[]);
    png
}

/// What a device's camera sees: the sky at `seconds` of a two-minute day, hills, and a lamp that is on or off.
/// `seed` gives each device its own hills.
pub(crate) fn scene(seconds: f64, seed: u32, lamp: bool) -> Vec<u8> {
    let day = (seconds / 120.0).rem_euclid(1.0);
    let angle = day * std::f64::consts::TAU;
    let light = (0.5 - 0.62 * angle.cos()).clamp(0.0, 1.0);
    let sun = (
        WIDTH as f64 * day,
        HEIGHT as f64 * (0.52 + 0.42 * angle.cos()),
    );
    let phase = f64::from(seed % 97) * 0.7;
    let mut rgb = Vec::with_capacity(WIDTH * HEIGHT * 3);
    for y in 0..HEIGHT {
        for x in 0..WIDTH {
            let (fx, fy) = (x as f64, y as f64);
            let height = fy / HEIGHT as f64;
            let mut pixel = mix([14.0, 18.0, 46.0], [96.0, 168.0, 226.0], light);
            let horizon = mix([38.0, 30.0, 66.0], [248.0, 214.0, 170.0], light);
            pixel = mix(pixel, horizon, height.powi(2));
            let distance = (fx - sun.0).hypot(fy - sun.1);
            if light > 0.02 {
                pixel = mix(
                    pixel,
                    [255.0, 236.0, 170.0],
                    (1.0 - distance / 26.0).clamp(0.0, 1.0) * light,
                );
                if distance < 5.0 {
                    pixel = [255.0, 246.0, 214.0];
                }
            } else if noise(x as u32, y as u32, seed) > 0.992 {
                pixel = [220.0, 224.0, 240.0];
            }
            let far =
                0.62 + 0.08 * (fx * 0.07 + phase).sin() + 0.03 * (fx * 0.21 + phase * 2.0).sin();
            let near = 0.78 + 0.06 * (fx * 0.05 + phase * 3.0).sin();
            let shade = 0.25 + 0.75 * light;
            if height > near {
                let grass = 0.92 + 0.16 * noise(x as u32, y as u32, seed ^ 7);
                pixel = [52.0, 108.0, 62.0].map(|c| c * shade * grass);
            } else if height > far {
                pixel = [84.0, 118.0, 122.0].map(|c| c * shade);
            }
            let post = (fx - 72.0).abs() < 1.0 && (28.0..52.0).contains(&fy);
            let bulb = (fx - 72.0).hypot(fy - 26.0);
            if post {
                pixel = [58.0, 54.0, 60.0];
            }
            if lamp {
                pixel = mix(
                    pixel,
                    [255.0, 214.0, 110.0],
                    (1.0 - bulb / 16.0).clamp(0.0, 1.0),
                );
            }
            if bulb < 3.2 {
                pixel = if lamp {
                    [255.0, 250.0, 224.0]
                } else {
                    [92.0, 92.0, 98.0]
                };
            }
            rgb.extend(pixel.map(|c| c.clamp(0.0, 255.0) as u8));
        }
    }
    png(WIDTH, HEIGHT, &rgb)
}

fn mix(from: [f64; 3], to: [f64; 3], share: f64) -> [f64; 3] {
    std::array::from_fn(|i| from[i] + (to[i] - from[i]) * share)
}

/// A fixed value in 0..1 for a pixel (a hash, so that stars do not flicker).
fn noise(x: u32, y: u32, seed: u32) -> f64 {
    let mut h =
        x.wrapping_mul(0x9E37_79B1) ^ y.wrapping_mul(0x85EB_CA77) ^ seed.wrapping_mul(0xC2B2_AE3D);
    h = (h ^ (h >> 15)).wrapping_mul(0x2C1B_3C6D);
    h ^= h >> 12;
    f64::from(h % 1000) / 1000.0
}

/// The image format of `bytes` by its first bytes, as a media type that a browser shows.
pub(crate) fn media_type(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'B', b'M', ..] if bytes.len() > 26 => Some("image/bmp"),
        [b'G', b'I', b'F', b'8', ..] => Some("image/gif"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_match_their_published_check_values() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(adler32(b"Wikipedia"), 0x11E6_0398);
    }

    #[test]
    fn a_scene_is_a_png_of_the_stated_size() {
        let file = scene(30.0, 3, true);
        assert_eq!(media_type(&file), Some("image/png"));
        assert_eq!(
            &file[12..24],
            [
                b"IHDR".as_slice(),
                &96_u32.to_be_bytes(),
                &64_u32.to_be_bytes()
            ]
            .concat()
        );
        assert_eq!(&file[file.len() - 12..file.len() - 4], b"\0\0\0\0IEND");
        assert_ne!(file, scene(30.0, 3, false), "the lamp is visible");
    }

    #[test]
    fn unknown_bytes_are_not_shown() {
        assert_eq!(media_type(b"<svg onload=alert(1)>"), None);
        assert_eq!(media_type(b""), None);
    }
}
