// Drawing: boxes by hand, text through FFmpeg's drawtext filter (FreeType).
#include "src/camera/picture.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <new>

#include "eddy/inference.hpp"
#include "src/camera/av.hpp"
#include "src/camera/frame_reader.hpp"

namespace eddy::camera {
namespace {

constexpr size_t lines_max = 16;
constexpr size_t text_bytes_max = 80;
constexpr const char* font_file = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf";

struct Colour {
    uint8_t r, g, b;
};
constexpr std::array<Colour, 12> palette{{{230, 25, 75},
                                          {60, 180, 75},
                                          {255, 225, 25},
                                          {0, 130, 200},
                                          {245, 130, 48},
                                          {145, 30, 180},
                                          {70, 240, 240},
                                          {240, 50, 230},
                                          {210, 245, 60},
                                          {0, 128, 128},
                                          {170, 110, 40},
                                          {128, 0, 0}}};

Colour colour_of(uint32_t number) { return palette[number % palette.size()]; }
bool is_bright(Colour c) { return 299 * c.r + 587 * c.g + 114 * c.b > 140'000; }
std::string hex(Colour c) {
    char text[16];
    std::snprintf(text, sizeof text, "0x%02X%02X%02X", c.r, c.g, c.b);
    return text;
}

struct Text {
    std::string text;
    int x = 0;
    std::string y;  ///< drawtext's expression; th is the text's height
    Colour background{};
};

/// Sizes that suit the picture.
struct Style {
    int line = 2;
    int font = 14;
    explicit Style(const Picture& picture)
        : line(std::clamp(static_cast<int>(std::min(picture.width, picture.height) / 250), 2, 12)),
          font(std::clamp(static_cast<int>(picture.height / 40), 12, 96)) {}
};

// Length of the well-formed UTF-8 sequence at `at`; 0: there is none.
size_t utf8_length(const std::string& text, size_t at) {
    const auto first = static_cast<uint8_t>(text[at]);
    const size_t length = first < 0x80 ? 1 : first >= 0xC2 && first < 0xE0 ? 2 : (first & 0xF0) == 0xE0 ? 3 : 0;
    if (length == 0 || at + length > text.size()) return 0;
    for (size_t i = 1; i < length; ++i) {
        if ((static_cast<uint8_t>(text[at + i]) & 0xC0) != 0x80) return 0;
    }
    return length;
}

// Labels come out of model files: what is no printable text must not stop the picture.
std::string printable(const std::string& text) {
    std::string clean;
    for (size_t i = 0; i < text.size() && clean.size() < text_bytes_max;) {
        const size_t length = utf8_length(text, i);
        const bool control = length == 1 && (static_cast<uint8_t>(text[i]) < 0x20 || text[i] == 0x7F);
        if (length == 0 || control) {
            clean += '?';
            ++i;
        } else {
            clean.append(text, i, length);
            i += length;
        }
    }
    return clean;
}

// A fraction of `extent` as a pixel, 0 … extent - 1; what is no number goes to 0.
int pixel(float fraction, uint32_t extent) {
    if (!(fraction > 0)) return 0;
    return static_cast<int>(std::min(std::floor(static_cast<double>(fraction) * extent), extent - 1.0));
}

class Canvas {
public:
    explicit Canvas(const Picture& picture) : width_(picture.width), height_(picture.height), frame_(av_frame_alloc()) {
        if (!frame_) throw std::bad_alloc();
        frame_->format = AV_PIX_FMT_RGB24;
        frame_->width = static_cast<int>(width_);
        frame_->height = static_cast<int>(height_);
        if (av_frame_get_buffer(frame_.get(), 64) < 0) throw std::bad_alloc();
        const auto* rgb = reinterpret_cast<const uint8_t*>(picture.rgb.data());
        for (uint32_t y = 0; y < height_; ++y) std::memcpy(row(y), rgb + size_t{y} * width_ * 3, size_t{width_} * 3);
    }

    /// The outline of a rectangle, `line` pixels thick, inwards. Corners included, inside the picture.
    void outline(int x0, int y0, int x1, int y1, int line, Colour colour) {
        fill(x0, y0, x1, std::min(y0 + line - 1, y1), colour);
        fill(x0, std::max(y1 - line + 1, y0), x1, y1, colour);
        fill(x0, y0, std::min(x0 + line - 1, x1), y1, colour);
        fill(std::max(x1 - line + 1, x0), y0, x1, y1, colour);
    }

    AVFrame* frame() { return frame_.get(); }

private:
    uint8_t* row(uint32_t y) { return frame_->data[0] + static_cast<ptrdiff_t>(frame_->linesize[0]) * y; }
    void fill(int x0, int y0, int x1, int y1, Colour c) {
        for (int y = y0; y <= y1; ++y) {
            uint8_t* p = row(static_cast<uint32_t>(y)) + static_cast<ptrdiff_t>(x0) * 3;
            for (int x = x0; x <= x1; ++x, p += 3) {
                p[0] = c.r;
                p[1] = c.g;
                p[2] = c.b;
            }
        }
    }
    uint32_t width_, height_;
    av::Owned<AVFrame> frame_;
};

// One drawtext after the other, between a source and a sink.
class TextGraph {
public:
    Status open(const Picture& picture) {
        if (!graph_) return exhausted("out of memory");
        char form[96];
        std::snprintf(form, sizeof form, "video_size=%ux%u:pix_fmt=%d:time_base=1/1", picture.width, picture.height,
                      static_cast<int>(AV_PIX_FMT_RGB24));
        const int code =
            avfilter_graph_create_filter(&source_, avfilter_get_by_name("buffer"), "in", form, nullptr, graph_.get());
        if (code < 0) return failed(code);
        last_ = source_;
        return success();
    }

    Status add(const Text& text, const Style& style) {
        const std::string name = "text" + std::to_string(count_++);
        const AVFilter* drawtext = avfilter_get_by_name("drawtext");
        if (drawtext == nullptr) return unsupported("this FFmpeg cannot write text (no drawtext filter)");
        AVFilterContext* filter = avfilter_graph_alloc_filter(graph_.get(), drawtext, name.c_str());
        if (filter == nullptr) return exhausted("out of memory");
        const std::string x = "max(0,min(w-tw-2," + std::to_string(text.x) + "))";
        const std::string size = std::to_string(style.font);
        // Set one by one: an option string would have to escape the text twice.
        set(filter, "text", text.text);
        set(filter, "expansion", "none");
        std::error_code unknown;
        if (std::filesystem::exists(font_file, unknown)) {
            set(filter, "fontfile", font_file);
        } else {
            set(filter, "font", "Sans");
        }
        set(filter, "fontsize", size);
        set(filter, "fontcolor", is_bright(text.background) ? "black" : "white");
        set(filter, "box", "1");
        set(filter, "boxcolor", hex(text.background));
        set(filter, "boxborderw", "2");
        set(filter, "x", x);
        set(filter, "y", text.y);
        int code = avfilter_init_dict(filter, nullptr);
        if (code < 0) {
            return unavailable("no font to write labels with; install fonts-dejavu-core: " + av::reason(code, log_));
        }
        code = avfilter_link(last_, 0, filter, 0);
        if (code < 0) return failed(code);
        last_ = filter;
        return success();
    }

    /// Draws on `frame`, giving its content up.
    Status run(av::Owned<AVFrame>& frame) {
        AVFilterContext* sink = nullptr;
        int code = avfilter_graph_create_filter(&sink, avfilter_get_by_name("buffersink"), "out", nullptr, nullptr,
                                                graph_.get());
        if (code >= 0) code = avfilter_link(last_, 0, sink, 0);
        if (code >= 0) code = avfilter_graph_config(graph_.get(), nullptr);
        if (code >= 0) code = av_buffersrc_add_frame(source_, frame.get());
        if (code >= 0) code = av_buffersink_get_frame(sink, frame.get());
        if (code < 0) return failed(code);
        if (frame->format != AV_PIX_FMT_RGB24) return internal("drawing text changed the picture's format");
        return success();
    }

private:
    static void set(AVFilterContext* filter, const char* key, const std::string& value) {
        const int code = av_opt_set(filter, key, value.c_str(), AV_OPT_SEARCH_CHILDREN);
        EDDY_ASSERT(code >= 0);
    }
    [[nodiscard]] Error failed(int code) const { return internal("drawing text: " + av::reason(code, log_)); }

    av::LogScope log_;
    av::Owned<AVFilterGraph> graph_{avfilter_graph_alloc()};
    AVFilterContext* source_ = nullptr;  ///< owned by graph_, like the next
    AVFilterContext* last_ = nullptr;
    uint32_t count_ = 0;
};

}  // namespace

Result<Picture> annotate(const Picture& picture, const Annotation& annotation) try {
    av::initialise();
    const uint64_t pixels = uint64_t{picture.width} * picture.height;
    if (pixels == 0 || pixels > frame_pixels_max || picture.rgb.size() != pixels * 3)
        return invalid("not a picture: " + std::to_string(picture.width) + " x " + std::to_string(picture.height) +
                       " pixels in " + std::to_string(picture.rgb.size()) + " bytes");
    if (annotation.boxes.size() > detections_max || annotation.lines.size() > lines_max)
        return exhausted("more than " + std::to_string(detections_max) + " boxes or " + std::to_string(lines_max) +
                         " lines to draw");
    const Style style(picture);
    Canvas canvas(picture);
    std::vector<Text> texts;
    for (const auto& box : annotation.boxes) {
        const int x0 = pixel(std::min(box.x0, box.x1), picture.width);
        const int y0 = pixel(std::min(box.y0, box.y1), picture.height);
        const int x1 = pixel(std::max(box.x0, box.x1), picture.width);
        const int y1 = pixel(std::max(box.y0, box.y1), picture.height);
        canvas.outline(x0, y0, x1, y1, style.line, colour_of(box.colour));
        char score[16];
        std::snprintf(score, sizeof score, " %.2f", static_cast<double>(std::clamp(box.score, 0.0F, 1.0F)));
        texts.push_back({printable(box.label) + score, x0 + 2, "max(2,min(h-th-2," + std::to_string(y0) + "-th-2))",
                         colour_of(box.colour)});
    }
    for (size_t i = 0; i < annotation.lines.size(); ++i) {
        const std::string line = printable(annotation.lines[i]);
        if (line.empty()) continue;
        const int top = 4 + static_cast<int>(i) * (style.font + style.font / 2);
        texts.push_back({line, 4, std::to_string(top), Colour{0, 0, 0}});
    }

    av::Owned<AVFrame> drawn(av_frame_clone(canvas.frame()));
    if (!drawn) return exhausted("out of memory");
    if (!texts.empty()) {
        TextGraph graph;
        if (auto status = graph.open(picture); !status) return status.error();
        for (const auto& text : texts) {
            if (auto status = graph.add(text, style); !status) return status.error();
        }
        if (auto status = graph.run(drawn); !status) return status.error();
    }
    auto bytes = allocate_bytes(pixels * 3);
    av_image_copy_plane(reinterpret_cast<uint8_t*>(bytes.get()), static_cast<int>(picture.width * 3), drawn->data[0],
                        drawn->linesize[0], static_cast<int>(picture.width * 3), static_cast<int>(picture.height));
    return Picture{picture.width, picture.height, SharedBytes(std::move(bytes), pixels * 3)};
} catch (const std::bad_alloc&) {
    return exhausted("out of memory");
}

}  // namespace eddy::camera
