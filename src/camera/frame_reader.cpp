#include "src/camera/frame_reader.hpp"

#include <algorithm>
#include <filesystem>
#include <new>
#include <utility>
#include <vector>

#include "src/camera/decoder.hpp"
#include "src/camera/scaler.hpp"

namespace eddy::camera {
namespace {

constexpr uint32_t side_max = 8192;  ///< of the images asked for, pixels
constexpr size_t pictures_max = 1'000'000;
constexpr Usec picture_duration = from_seconds(1);
/// A timestamp that jumps further is taken for damage: the frame follows the one before at the nominal rate.
constexpr Usec jump_max = from_seconds(60);

bool is_picture(const std::filesystem::path& path) {
    static constexpr const char* endings[] = {".jpg", ".jpeg", ".png", ".bmp", ".webp",
                                              ".ppm", ".pgm",  ".tif", ".tiff"};
    std::string ending = path.extension().string();
    std::transform(ending.begin(), ending.end(), ending.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return std::any_of(std::begin(endings), std::end(endings), [&](const char* known) { return ending == known; });
}

Result<std::vector<std::string>> pictures_in(const std::string& folder) {
    std::vector<std::string> paths;
    std::error_code failed;
    for (std::filesystem::directory_iterator it(folder, failed), end; !failed && it != end; it.increment(failed)) {
        std::error_code unknown;
        if (!is_picture(it->path()) || !it->is_regular_file(unknown)) continue;
        if (paths.size() == pictures_max) return exhausted("more than " + std::to_string(pictures_max) + " pictures");
        paths.push_back(it->path().string());
    }
    if (failed) return unavailable(failed.message());
    if (paths.empty()) return invalid("the folder holds no pictures (.jpg, .png, .bmp, .webp, .ppm, .pgm, .tif)");
    std::sort(paths.begin(), paths.end());
    return paths;
}

}  // namespace

struct FrameReader::Impl {
    std::string input;
    ReaderOptions options;
    InputKind kind = InputKind::file;
    std::unique_ptr<Decoder> decoder;
    std::vector<std::string> pictures;
    size_t next_picture = 0;
    uint64_t frames_in_pass = 0;
    Scaler scaler{0, 0};
    Scaler own_size{0, 0};
    av::Owned<AVFrame> frame{av_frame_alloc()};
    bool primed = false;          ///< `frame` holds one that was not given out yet
    uint64_t corrupt_before = 0;  ///< of decoders no longer here, and of pictures
    std::string last_corruption;
    // Position: microseconds since the first frame.
    std::optional<int64_t> origin_us;      ///< timestamp that position 0 would have in this pass
    std::optional<Usec> last_position;     ///< of `frame`, once it was given out
    Usec shortest_step = from_seconds(1);  ///< between two frames so far: stands in for a rate that is not told

    [[nodiscard]] Error error(const Error& cause) const;
    [[nodiscard]] DecoderTarget target(const std::string& path) const;
    Status open();
    Status open_decoder();
    void close_decoder();
    Result<bool> decode();
    Result<bool> decode_stream();
    Result<bool> decode_picture();
    bool convertible();
    [[nodiscard]] Error nothing_decoded() const {
        return invalid("no frame of it could be decoded" + (last_corruption.empty() ? "" : ": " + last_corruption));
    }
    void tell_position();
    Result<ReadFrame> convert();
    [[nodiscard]] bool stopping() const { return options.stop != nullptr && options.stop->load(); }
};

// FFmpeg repeats addresses in what it says: the password must not come out there either.
Error FrameReader::Impl::error(const Error& cause) const {
    return {cause.code, "input \"" + without_password(input) + "\": " + without_password_of(input, cause.message)};
}

DecoderTarget FrameReader::Impl::target(const std::string& path) const {
    DecoderTarget t;
    t.open_timeout = options.open_timeout;
    t.read_timeout = options.read_timeout;
    t.stop = options.stop;
    t.patient = !is_live(kind);
    switch (kind) {
        case InputKind::file: t.url = "file:" + path; break;
        case InputKind::folder:
            t.url = "file:" + path;
            t.analyse = false;
            break;
        case InputKind::rtsp:
            t.url = path;
            t.rtsp = true;
            t.protocols = "rtsp,rtsps,rtp,tcp,tls,udp";
            break;
        case InputKind::v4l2:
            t.url = path;
            t.format = "video4linux2";
            t.device = true;
            t.analyse = false;
            break;
        case InputKind::lavfi:
            t.url = path.substr(std::string("lavfi:").size());
            t.format = "lavfi";
            t.analyse = false;
            break;
    }
    return t;
}

Status FrameReader::Impl::open() {
    auto found = input_kind(input);
    if (!found) return found.error();
    kind = *found;
    if (kind == InputKind::folder) {
        auto paths = pictures_in(input);
        if (!paths) return error(paths.error());
        pictures = std::move(*paths);
    } else if (auto status = open_decoder(); !status) {
        return status;
    }
    if (is_live(kind)) return success();
    auto first = decode();
    if (!first) return first.error();
    if (!*first) return error(nothing_decoded());
    primed = true;
    return success();
}

Status FrameReader::Impl::open_decoder() {
    auto opened = Decoder::open(target(input));
    if (!opened) return error(opened.error());
    decoder = std::move(*opened);
    return success();
}

void FrameReader::Impl::close_decoder() {
    if (!decoder) return;
    corrupt_before += decoder->corrupt();
    if (!decoder->last_corruption().empty()) last_corruption = decoder->last_corruption();
    decoder.reset();
}

// The next frame of whatever kind into `frame`, one that can be converted. False: the end.
Result<bool> FrameReader::Impl::decode() {
    for (;;) {
        av_frame_unref(frame.get());
        auto decoded = kind == InputKind::folder ? decode_picture() : decode_stream();
        if (!decoded || !*decoded) return decoded;
        ++frames_in_pass;
        if (convertible()) return true;
    }
}

bool FrameReader::Impl::convertible() {
    Status status = scaler.prepare(frame.get());
    if (status.ok() && options.full_size) status = own_size.prepare(frame.get());
    if (status.ok()) return true;
    --frames_in_pass;
    ++corrupt_before;
    last_corruption = status.error().message;
    return false;
}

Result<bool> FrameReader::Impl::decode_stream() {
    for (;;) {
        auto decoded = decoder->next(frame.get());
        if (!decoded) return error(decoded.error());
        if (*decoded) return true;
        if (is_live(kind)) return error(unavailable("the stream ended"));
        if (!decoder->last_corruption().empty()) last_corruption = decoder->last_corruption();
        if (!options.loop || kind == InputKind::lavfi) return false;
        if (frames_in_pass == 0) return error(nothing_decoded());
        // Opened anew rather than rewound: every pass decodes exactly like the first.
        close_decoder();
        frames_in_pass = 0;
        origin_us.reset();
        if (auto status = open_decoder(); !status) return status.error();
    }
}

Result<bool> FrameReader::Impl::decode_picture() {
    for (;;) {
        if (stopping()) return error(unavailable("stopped"));
        if (next_picture == pictures.size()) {
            if (!options.loop) return false;
            if (frames_in_pass == 0) return error(nothing_decoded());
            next_picture = 0;
            frames_in_pass = 0;
        }
        const std::string& path = pictures[next_picture++];
        auto opened = Decoder::open(target(path));
        Result<bool> decoded = opened ? (*opened)->next(frame.get()) : Result<bool>(opened.error());
        if (decoded.ok() && *decoded) return true;
        ++corrupt_before;
        std::string why = opened ? (*opened)->last_corruption() : opened.error().message;
        if (!decoded) why = decoded.error().message;
        last_corruption = path + ": " + (why.empty() ? "no picture in it" : why);
    }
}

void FrameReader::Impl::tell_position() {
    if (kind == InputKind::folder) {
        last_position = last_position ? *last_position + picture_duration : Usec{0};
        return;
    }
    const int64_t stamp = decoder->timestamp_us(frame.get());
    const Usec usual = last_position ? *last_position + decoder->frame_duration().value_or(shortest_step) : Usec{0};
    Usec at = usual;
    if (stamp != AV_NOPTS_VALUE && origin_us) {
        int64_t since = 0;
        if (!__builtin_sub_overflow(stamp, *origin_us, &since)) at = Usec{since};
    }
    const bool sound = !last_position || (at > *last_position && at - *last_position <= jump_max);
    if (!sound) at = usual;
    if (stamp != AV_NOPTS_VALUE && (!origin_us || !sound)) {
        int64_t origin = 0;
        if (!__builtin_sub_overflow(stamp, static_cast<int64_t>(at.count()), &origin)) origin_us = origin;
    }
    if (last_position) shortest_step = std::min(shortest_step, at - *last_position);
    last_position = at;
}

Result<ReadFrame> FrameReader::Impl::convert() {
    auto rgb = scaler.rgb(frame.get());
    if (!rgb) return error(rgb.error());
    ReadFrame out;
    out.position = last_position.value_or(Usec{0});
    out.image.meta.dtype = DType::u8;
    out.image.meta.shape = {static_cast<int64_t>(options.height), static_cast<int64_t>(options.width), 3};
    out.image.bytes = SharedBytes(std::move(*rgb), size_t{options.width} * options.height * 3);
    if (options.full_size) {
        auto own = own_size.rgb(frame.get());
        if (!own) return error(own.error());
        const auto width = static_cast<uint32_t>(frame->width), height = static_cast<uint32_t>(frame->height);
        out.picture = Picture{width, height, SharedBytes(std::move(*own), size_t{width} * height * 3)};
    }
    return out;
}

FrameReader::FrameReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
FrameReader::~FrameReader() = default;
FrameReader::FrameReader(FrameReader&&) noexcept = default;
FrameReader& FrameReader::operator=(FrameReader&&) noexcept = default;

Result<FrameReader> FrameReader::open(const std::string& input, const ReaderOptions& options) try {
    if (options.width == 0 || options.height == 0 || options.width > side_max || options.height > side_max) {
        return invalid("images of " + std::to_string(options.width) + " x " + std::to_string(options.height) +
                       " pixels: each side must be 1 to " + std::to_string(side_max));
    }
    av::initialise();
    auto impl = std::make_unique<Impl>();
    impl->input = input;
    impl->options = options;
    impl->scaler = Scaler(options.width, options.height);
    if (!impl->frame) return exhausted("out of memory");
    if (auto status = impl->open(); !status) return status.error();
    return FrameReader(std::move(impl));
} catch (const std::bad_alloc&) {
    return exhausted("input \"" + without_password(input) + "\": out of memory");
}

Result<bool> FrameReader::advance() try {
    const bool primed = std::exchange(impl_->primed, false);
    auto decoded = primed ? Result<bool>(true) : impl_->decode();
    if (decoded.ok() && *decoded) impl_->tell_position();
    return decoded;
} catch (const std::bad_alloc&) {
    return impl_->error(exhausted("out of memory"));
}

Result<ReadFrame> FrameReader::current() try {
    EDDY_ASSERT(impl_->last_position.has_value());
    return impl_->convert();
} catch (const std::bad_alloc&) {
    return impl_->error(exhausted("out of memory"));
}

Result<std::optional<ReadFrame>> FrameReader::next() {
    auto advanced = advance();
    if (!advanced) return advanced.error();
    if (!*advanced) return std::optional<ReadFrame>();
    auto frame = current();
    if (!frame) return frame.error();
    return std::optional<ReadFrame>(std::move(*frame));
}

Result<bool> FrameReader::skip(uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) {
        auto advanced = advance();
        if (!advanced || !*advanced) return advanced;
    }
    return true;
}

InputKind FrameReader::kind() const { return impl_->kind; }
uint64_t FrameReader::corrupt() const {
    return impl_->corrupt_before + (impl_->decoder ? impl_->decoder->corrupt() : 0);
}
const std::string& FrameReader::last_corruption() const {
    const auto& decoder = impl_->decoder;
    return decoder && !decoder->last_corruption().empty() ? decoder->last_corruption() : impl_->last_corruption;
}

}  // namespace eddy::camera
