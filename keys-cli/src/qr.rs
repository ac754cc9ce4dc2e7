//! The air gap without a stick: a document as QR codes on one machine's screen, and before the other's camera.
//!
//! A document is longer than a code that cameras like, so it goes in several frames: Uniform Resources (BCR-2020-005), of type
//! `bytes`, as several wallets show and read them. The frames may be read in any order, and more than once.

use std::{
    io::{BufRead, Cursor},
    path::{Path, PathBuf},
};

use image::{GrayImage, ImageFormat, ImageReader, Limits, Luma};
use minicbor::{bytes::ByteVec, decode, to_vec};
use qrcode::{Color, EcLevel, QrCode, render::unicode::Dense1x2};
use ring_keystore::files::{self, FileError};

use crate::{
    action::{Document, DocumentError},
    output::tell,
};

/// How many bytes of a document are in a frame: so many that its code fits into a terminal of 80 columns.
const FRAGMENT: usize = 180;
/// No document has so many.
const MOST_FRAMES: usize = 1_000;
/// A line of text that is longer is no frame.
const LONGEST_LINE: usize = 4_000;
/// Of a picture, in pixels.
const MODULE: u32 = 8;
/// Colours of a terminal (ECMA-48, and the bright ones that all terminals add).
const BLACK_ON_WHITE: &str = "\x1b[30;107m";
const AS_BEFORE: &str = "\x1b[0m";
/// The margin of a code in modules (ISO/IEC 18004).
const MARGIN: u32 = 4;
/// The largest picture that is read, in pixels on a side and in bytes of memory.
const LARGEST_PICTURE: (u32, u64) = (20_000, 512 << 20);

/// Why there are no codes, or no document in them.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // The variants that only pass on say nothing of their own.
pub enum QrError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// It cannot be shown.
    #[error("this document cannot be shown as QR codes: {0}")]
    Unshowable(String),
    /// What should be a picture is none.
    #[error("{path} cannot be read as a picture (PNG or JPEG): {reason}", path = path.display())]
    Picture {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// There is not all of it.
    #[error("{there} of {all} frames are there: show the others, in any order, and read all of them together")]
    Incomplete {
        /// Frames, or what stands for as many.
        there: usize,
        /// How many there are.
        all: usize,
    },
    /// There is nothing.
    #[error("there is no frame of a document in what was read: is the whole code in the picture, and sharp?")]
    Nothing,
    /// All frames are there, and say nothing.
    #[error("all frames were read, and they hold something else than a document: {0}")]
    NotADocument(String),
    /// The scanner cannot be read.
    #[error("the scanner's lines cannot be read: {0}")]
    Input(std::io::Error),
}

/// A document in frames.
pub(crate) struct Frames {
    texts: Vec<String>,
    codes: Vec<QrCode>,
}

impl Frames {
    /// Those of a document.
    pub(crate) fn of(document: &Document) -> Result<Self, QrError> {
        let unshowable = |reason: String| QrError::Unshowable(reason);
        let message = to_vec(ByteVec::from(document.to_bytes())).map_err(|error| unshowable(error.to_string()))?;
        let mut encoder = ur::Encoder::bytes(&message, FRAGMENT).map_err(|error| unshowable(error.to_string()))?;
        let count = encoder.fragment_count();
        if count > MOST_FRAMES {
            return Err(unshowable(format!("it would be {count} codes")));
        }
        // In capitals a code needs fewer modules.
        let texts: Result<Vec<String>, _> =
            (0..count).map(|_| encoder.next_part().map(|text| text.to_uppercase())).collect();
        let texts = texts.map_err(|error| unshowable(error.to_string()))?;
        let code = |text: &String| QrCode::with_error_correction_level(text, EcLevel::M);
        let codes: Result<Vec<QrCode>, _> = texts.iter().map(code).collect();
        Ok(Self { codes: codes.map_err(|error| unshowable(error.to_string()))?, texts })
    }

    /// What the codes say, each for itself.
    pub(crate) fn texts(&self) -> &[String] {
        &self.texts
    }

    /// Each as text that is printed black on white.
    pub(crate) fn for_paper(&self) -> impl Iterator<Item = String> {
        let count = self.codes.len();
        (1..).zip(&self.codes).map(move |(number, code)| {
            let code = code.render::<Dense1x2>().build();
            format!("{code}\nframe {number} of {count}")
        })
    }

    /// The same for a terminal, whose colours may be the other way round.
    pub(crate) fn for_terminal(&self) -> impl Iterator<Item = String> {
        self.for_paper().map(|text| {
            let lines: Vec<String> = text.lines().map(|line| format!("{BLACK_ON_WHITE}{line}{AS_BEFORE}")).collect();
            lines.join("\n")
        })
    }

    /// Writes each as a picture into a new file: PREFIX-1.png, PREFIX-2.png and so on; all of them, or none.
    pub(crate) fn write_pictures(&self, prefix: &Path) -> Result<Vec<PathBuf>, QrError> {
        let path = |number: usize| {
            let mut name = prefix.as_os_str().to_owned();
            name.push(format!("-{number}.png"));
            PathBuf::from(name)
        };
        let paths: Vec<PathBuf> = (1..=self.codes.len()).map(path).collect();
        paths.iter().try_for_each(|path| files::check_absent(path))?;
        for (index, (path, code)) in paths.iter().zip(&self.codes).enumerate() {
            let written = picture(code).and_then(|bytes| Ok(files::write_new(path, &bytes)?));
            if let Err(error) = written {
                paths[..index].iter().for_each(|path| drop(std::fs::remove_file(path)));
                return Err(error);
            }
        }
        Ok(paths)
    }
}

fn picture(code: &QrCode) -> Result<Vec<u8>, QrError> {
    let modules = code.width() as u32;
    let side = (modules + 2 * MARGIN) * MODULE;
    let is_dark = |place: (u32, u32)| {
        let inside = |pixel: u32| (pixel / MODULE).checked_sub(MARGIN).filter(|module| *module < modules);
        match (inside(place.0), inside(place.1)) {
            (Some(x), Some(y)) => code[(x as usize, y as usize)] == Color::Dark,
            _ => false,
        }
    };
    let image = GrayImage::from_fn(side, side, |x, y| Luma([if is_dark((x, y)) { 0 } else { 0xff }]));
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, ImageFormat::Png).map_err(|error| QrError::Unshowable(error.to_string()))?;
    Ok(bytes.into_inner())
}

/// Frames as they are read.
#[derive(Default)]
pub(crate) struct Scan {
    decoder: ur::Decoder,
}

impl Scan {
    /// Reads what a scanner writes, a line a code, until all frames are there.
    pub(crate) fn read_lines(mut self, input: impl BufRead) -> Result<Document, QrError> {
        for line in input.lines() {
            self.take(&line.map_err(QrError::Input)?);
            if self.decoder.complete() {
                break;
            }
        }
        self.finish()
    }

    /// Reads pictures, each of which may show one code or more.
    pub(crate) fn read_pictures(mut self, paths: &[PathBuf]) -> Result<Document, QrError> {
        for path in paths {
            let codes = codes_in(path)?;
            if codes.is_empty() {
                tell(format_args!("{}: no code is found in it", path.display()));
            }
            codes.iter().for_each(|text| self.take(text));
        }
        self.finish()
    }

    /// Takes what may be a frame.
    fn take(&mut self, line: &str) {
        // As `zbarcam` writes it where it is not told to be raw.
        let line = line.trim().trim_start_matches("QR-Code:").to_ascii_lowercase();
        if line.is_empty() {
            return;
        }
        if line.len() > LONGEST_LINE || count_of(&line).is_none_or(|count| count > MOST_FRAMES) {
            return tell("this is no frame of a document, and left out");
        }
        match self.decoder.receive(&line) {
            Ok(()) => {
                let there = self.decoder.resolved_fragment_count().unwrap_or_default();
                tell(format_args!("{there} of {} frames", self.decoder.fragment_count()));
            }
            Err(error) => tell(format_args!("a frame is left out: it is damaged, or of another document ({error})")),
        }
    }

    fn finish(self) -> Result<Document, QrError> {
        let Some(there) = self.decoder.resolved_fragment_count() else { return Err(QrError::Nothing) };
        if !self.decoder.complete() {
            return Err(QrError::Incomplete { there, all: self.decoder.fragment_count() });
        }
        let message = self.decoder.message().map_err(|error| QrError::NotADocument(error.to_string()))?;
        let content: ByteVec =
            decode(&message.unwrap_or_default()).map_err(|error| QrError::NotADocument(error.to_string()))?;
        Ok(Document::from_bytes(&content, Path::new("the document in these codes"))?)
    }
}

/// Of how many frames one says it is: the number behind the hyphen of `ur:bytes/3-7/…`.
fn count_of(frame: &str) -> Option<usize> {
    let (_, count) = frame.strip_prefix("ur:bytes/")?.split('/').next()?.split_once('-')?;
    count.parse().ok()
}

fn codes_in(path: &Path) -> Result<Vec<String>, QrError> {
    let unreadable = |reason: String| QrError::Picture { path: path.to_owned(), reason };
    let mut reader = ImageReader::open(path)
        .and_then(ImageReader::with_guessed_format)
        .map_err(|error| unreadable(error.to_string()))?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(LARGEST_PICTURE.0);
    limits.max_image_height = Some(LARGEST_PICTURE.0);
    limits.max_alloc = Some(LARGEST_PICTURE.1);
    reader.limits(limits);
    let image = reader.decode().map_err(|error| unreadable(error.to_string()))?.into_luma8();
    let (width, height) = image.dimensions();
    let pixel = |x: usize, y: usize| image.get_pixel(x as u32, y as u32).0[0];
    let mut prepared = rqrr::PreparedImage::prepare_from_greyscale(width as usize, height as usize, pixel);
    Ok(prepared.detect_grids().iter().filter_map(|grid| grid.decode().ok()).map(|(_, text)| text).collect())
}

#[cfg(test)]
mod tests {
    use alloy::primitives::Address;
    use ring_contracts::{Charter, Domain};

    use super::*;
    use crate::action::Statement;

    /// A halt, with the charter of the largest ring.
    fn document(ring: u32) -> Document {
        let domain = Domain { chain_id: 1, contract: Address::repeat_byte(0xab) };
        let charter = Charter {
            window: 8,
            quorum: 8,
            asset: Address::ZERO,
            cap: 1 << 95,
            period: 86_400,
            turns_per_period: 500,
            interval: 12,
            expires_at: 1_798_761_600,
            last_nonce: Charter::NO_LAST_NONCE,
            seats: (1..=32).map(Address::repeat_byte).collect(),
        };
        Document::new(domain, Address::repeat_byte(7), Statement::Halt { ring, epoch: 3 }, Some(charter))
    }

    fn lines(texts: &[String]) -> String {
        texts.join("\n")
    }

    #[test]
    fn frames_make_the_document_in_any_order_and_among_other_lines() {
        let document = document(1);
        let frames = Frames::of(&document).unwrap();
        assert!(frames.texts().len() > 5);
        let mut mixed: Vec<String> = frames.texts().iter().rev().cloned().collect();
        mixed.insert(2, "https://example.org".to_owned());
        mixed.insert(3, format!("QR-Code:{}", mixed[0]));
        mixed.insert(4, String::new());
        mixed.insert(5, mixed[0][..40].to_owned());
        assert_eq!(Scan::default().read_lines(lines(&mixed).as_bytes()).unwrap(), document);
    }

    #[test]
    fn a_code_fits_into_a_terminal_of_80_columns() {
        let frames = Frames::of(&document(1)).unwrap();
        for text in frames.for_paper() {
            assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        }
    }

    #[test]
    fn pictures_make_the_document() {
        let document = document(1);
        let folder = tempfile::tempdir().unwrap();
        let frames = Frames::of(&document).unwrap();
        let paths = frames.write_pictures(&folder.path().join("halt")).unwrap();
        assert!(paths[0].ends_with("halt-1.png"));
        assert_eq!(Scan::default().read_pictures(&paths).unwrap(), document);
        let all = paths.len();
        let missing = Scan::default().read_pictures(&paths[1..]).unwrap_err();
        assert!(matches!(missing, QrError::Incomplete { there, all: a } if a == all && there == all - 1), "{missing}");
        assert!(matches!(frames.write_pictures(&folder.path().join("halt")), Err(QrError::File(_))));
    }

    #[test]
    fn what_is_no_document_is_told_apart() {
        let of = |text: &str| Scan::default().read_lines(text.as_bytes()).unwrap_err();
        assert!(matches!(of(""), QrError::Nothing));
        assert!(matches!(of("ur:bytes/1-2/aeae"), QrError::Nothing));
        let mut endless = ur::Encoder::bytes(&[7; 3 * MOST_FRAMES], 2).unwrap();
        assert!(matches!(of(&endless.next_part().unwrap()), QrError::Nothing));
        // Of two documents, the frames of the first count.
        let [one, other] = [1, 2].map(|ring| Frames::of(&document(ring)).unwrap());
        let mixed = [&one.texts()[..1], &other.texts()[1..]].concat();
        assert!(matches!(of(&lines(&mixed)), QrError::Incomplete { there: 1, .. }));
        let mut encoder = ur::Encoder::bytes(&to_vec(ByteVec::from(b"{}".to_vec())).unwrap(), FRAGMENT).unwrap();
        assert!(matches!(of(&encoder.next_part().unwrap()), QrError::Document(_)));
        let mut encoder = ur::Encoder::bytes(b"{}", FRAGMENT).unwrap();
        assert!(matches!(of(&encoder.next_part().unwrap()), QrError::NotADocument(_)));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("no.png");
        std::fs::write(&path, "no picture").unwrap();
        assert!(matches!(Scan::default().read_pictures(&[path]), Err(QrError::Picture { .. })));
    }
}
