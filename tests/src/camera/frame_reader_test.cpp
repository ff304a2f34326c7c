// Goal: every input gives the same frames each time it is read, and a bad one gives an error that names it and why, or
// is skipped and counted. Method: videos and pictures made by the test, whole, cut short and damaged.
#include "src/camera/frame_reader.hpp"

#include <array>
#include <set>

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "tests/src/camera/media.hpp"

namespace eddy::camera::test {
namespace {

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::string open_error(const std::string& input) {
    auto reader = FrameReader::open(input, small_images());
    REQUIRE_FALSE(reader.ok());
    return reader.error().message;
}

TEST_CASE("an input's kind follows from its text, and other schemes are refused by name") {
    const TempFolder folder;
    CHECK(*input_kind("rtsp://10.0.0.1/live") == InputKind::rtsp);
    CHECK(*input_kind("rtsps://10.0.0.1/live") == InputKind::rtsp);
    CHECK(*input_kind("/dev/video0") == InputKind::v4l2);
    CHECK(*input_kind("lavfi:testsrc2") == InputKind::lavfi);
    CHECK(*input_kind(folder.path()) == InputKind::folder);
    CHECK(*input_kind("a:b.avi") == InputKind::file);
    auto refused = input_kind("http://user:secret@host/x.mjpeg");
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().code == ErrorCode::unsupported);
    CHECK(contains(refused.error().message, "http://user:***@host/x.mjpeg"));
    CHECK_FALSE(input_kind("").ok());
}

TEST_CASE("a password is hidden wherever it would be printed") {
    CHECK(without_password("rtsp://me:pass@host:554/a") == "rtsp://me:***@host:554/a");
    CHECK(without_password("rtsp://me:p@ss@host/a@b") == "rtsp://me:***@host/a@b");
    CHECK(without_password("rtsp://host:554/a@b:c") == "rtsp://host:554/a@b:c");
    CHECK(without_password("rtsp://me@host/a") == "rtsp://me@host/a");
    CHECK(without_password("me:pass@host") == "me:pass@host");
    CHECK(without_password_of("rtsp://me:pass@host/", "tried pass twice, pass!") == "tried *** twice, ***!");
}

TEST_CASE("a video gives all its frames as RGB of the asked size, at its own times") {
    const TempFolder folder;
    write_video(folder / "v.avi");
    auto reader = FrameReader::open(folder / "v.avi", small_images());
    REQUIRE(reader.ok());
    CHECK(reader->kind() == InputKind::file);
    for (int k = 0; k < 12; ++k) {
        auto next = reader->next();
        REQUIRE(next.ok());
        REQUIRE(next->has_value());
        CHECK((*next)->position == Usec{100'000 * k});
        CHECK((*next)->image.meta.dtype == DType::u8);
        CHECK((*next)->image.meta.shape == std::vector<int64_t>{48, 64, 3});
        CHECK((*next)->image.bytes.size() == 48 * 64 * 3);
        CHECK_FALSE((*next)->picture.has_value());
    }
    auto end = reader->next();
    REQUIRE(end.ok());
    CHECK_FALSE(end->has_value());
    CHECK(reader->corrupt() == 0);
}

TEST_CASE("colours survive: a red, a green and a blue video come out so, in full and limited range") {
    const TempFolder folder;
    struct Case {
        const char* colour;
        int channel;
        const char* encoder;
        const char* pixels;
    };
    for (const Case& c :
         {Case{"red", 0, "mpeg4", "yuv420p"}, Case{"lime", 1, "mjpeg", "yuvj420p"}, Case{"blue", 2, "ffv1", "bgr0"},
          Case{"white", -1, "mpeg4", "yuv420p"}, Case{"white", -1, "ffv1", "gray"}}) {
        CAPTURE(std::string(c.colour));
        CAPTURE(std::string(c.pixels));
        const std::string path = folder / (std::string(c.colour) + c.pixels + ".mkv");
        write_video(path, {.graph = std::string("color=") + c.colour + ":size=160x120:rate=10,format=rgb24",
                           .frames = 1,
                           .encoder = c.encoder,
                           .pixels = c.pixels});
        const auto frames = frames_of(path, 1);
        REQUIRE(frames.size() == 1);
        const uint8_t* middle = frames[0].data() + (24 * 64 + 32) * 3;
        for (int channel = 0; channel < 3; ++channel) {
            const bool bright = c.channel == channel || c.channel < 0;
            CHECK(int{middle[channel]} >= (bright ? 245 : 0));
            CHECK(int{middle[channel]} <= (bright ? 255 : 10));
        }
    }
}

TEST_CASE("a stream's own matrix and range are obeyed") {
    const TempFolder folder;
    const auto middle = [&](const std::string& graph) {
        write_video(folder / "v.mkv", {.graph = graph, .frames = 1, .encoder = "ffv1"});
        const auto image = frames_of(folder / "v.mkv", 1).at(0);
        const uint8_t* p = image.data() + (24 * 64 + 32) * 3;
        return std::array<int, 3>{p[0], p[1], p[2]};
    };
    const auto near = [](std::array<int, 3> a, std::array<int, 3> b) {
        return std::abs(a[0] - b[0]) <= 3 && std::abs(a[1] - b[1]) <= 3 && std::abs(a[2] - b[2]) <= 3;
    };
    // Y = 64, no colour: 64 in full range, (64 - 16) * 255 / 219 = 56 in limited range, which is usual.
    const std::string grey = "color=size=64x48,format=yuv420p,lutyuv=y=64:u=128:v=128";
    CHECK(near(middle(grey), {56, 56, 56}));
    CHECK(near(middle(grey + ",setparams=range=full"), {64, 64, 64}));
    // Y = 128, U = 128, V = 178: R = 1.164 * 112 + 1.596 * 50 by BT.601, + 1.793 * 50 by BT.709.
    const std::string rose = "color=size=64x48,format=yuv420p,lutyuv=y=128:u=128:v=178";
    CHECK(near(middle(rose), {210, 90, 130}));
    CHECK(near(middle(rose + ",setparams=colorspace=bt709"), {220, 104, 130}));
}

TEST_CASE("shrinking takes the mean of what it covers, not one pixel of it") {
    const auto frames = frames_of("lavfi:color=size=128x96,format=gray,geq=lum='255*mod(X,2)'", 1);
    int lowest = 255, highest = 0;
    for (size_t x = 10; x < 50; ++x) {
        lowest = std::min(lowest, int{frames.at(0)[(24 * 64 + x) * 3]});
        highest = std::max(highest, int{frames.at(0)[(24 * 64 + x) * 3]});
    }
    CHECK(lowest >= 125);
    CHECK(highest <= 130);
}

TEST_CASE("the same file read twice gives the same bytes, and skipping changes nothing") {
    const TempFolder folder;
    write_video(folder / "v.avi");
    const auto once = frames_of(folder / "v.avi", 100);
    const auto twice = frames_of(folder / "v.avi", 100);
    REQUIRE(once.size() == 12);
    CHECK(once == twice);
    CHECK(std::set<std::vector<uint8_t>>(once.begin(), once.end()).size() == 12);
    auto reader = FrameReader::open(folder / "v.avi", small_images());
    REQUIRE(reader.ok());
    REQUIRE(*reader->skip(7));
    CHECK(bytes_of((**reader->next()).image) == once[7]);
    CHECK_FALSE(*reader->skip(5));
}

TEST_CASE("frame k of a looped input of N frames is frame k mod N, and time goes on") {
    const TempFolder folder;
    write_video(folder / "v.avi", {.frames = 5});
    std::filesystem::create_directory(folder / "pictures");
    for (uint32_t i = 0; i < 5; ++i)
        REQUIRE(write_picture(gradient(40, 30, i), folder / ("pictures/p" + std::to_string(i) + ".png")).ok());
    // H.264 in MP4: its frames are not stored in the order they are shown in.
    write_video(folder / "v.mp4", {.frames = 5, .encoder = "libx264"});
    for (const std::string& input : {folder / "v.avi", folder / "v.mp4", folder / "pictures"}) {
        CAPTURE(input);
        const auto once = frames_of(input, 100);
        REQUIRE(once.size() == 5);
        const auto looped = frames_of(input, 17, true);
        REQUIRE(looped.size() == 17);
        for (size_t k = 0; k < looped.size(); ++k) CHECK(looped[k] == once[k % 5]);
        auto reader = FrameReader::open(input, small_images(true));
        REQUIRE(reader.ok());
        const int64_t step_us = input == folder / "pictures" ? 1'000'000 : 100'000;
        for (int64_t k = 0; k < 12; ++k) CHECK((**reader->next()).position == Usec{k * step_us});
    }
}

TEST_CASE("the picture at its own size goes with the image of the model's size") {
    const TempFolder folder;
    const Picture picture = gradient(160, 120, 3);
    REQUIRE(write_picture(picture, folder / "p.png").ok());
    auto options = small_images();
    options.full_size = true;
    auto reader = FrameReader::open(folder / "p.png", options);
    REQUIRE(reader.ok());
    auto next = reader->next();
    REQUIRE(next.ok());
    REQUIRE((*next)->picture.has_value());
    CHECK((*next)->picture->width == 160);
    CHECK((*next)->picture->height == 120);
    CHECK(std::equal(picture.rgb.data(), picture.rgb.data() + picture.rgb.size(), (*next)->picture->rgb.data()));
    // Stretched and smoothed, not cropped: the corners keep their colours.
    const auto image = bytes_of((*next)->image);
    CHECK(int{image[0]} <= 4);
    CHECK(int{image[image.size() - 3]} >= 247);
    CHECK(int{image[image.size() - 2]} >= 247);
}

TEST_CASE("wrong paths and foreign files are refused with the name and FFmpeg's reason") {
    const TempFolder folder;
    CHECK(contains(open_error(folder / "none.avi"), folder / "none.avi"));
    CHECK(contains(open_error(folder / "none.avi"), "No such file or directory"));
    write_file(folder / "text.avi", "this is no video\n");
    CHECK(contains(open_error(folder / "text.avi"), folder / "text.avi"));
    CHECK(contains(open_error(folder / "text.avi"), "Invalid data"));
    write_file(folder / "empty.avi", "");
    CHECK(contains(open_error(folder / "empty.avi"), "empty.avi"));
    CHECK(contains(open_error("lavfi:nosuchsource"), "nosuchsource"));
    CHECK(contains(open_error("lavfi:sine"), "no video"));
    CHECK(contains(open_error("/dev/video99"), "/dev/video99"));
    CHECK(contains(open_error("/dev/video99"), "No such file or directory"));
    ReaderOptions options = small_images();
    options.width = 0;
    CHECK_FALSE(FrameReader::open("lavfi:testsrc2", options).ok());
}

TEST_CASE("an empty folder, and one without a readable picture, are refused") {
    const TempFolder folder;
    CHECK(contains(open_error(folder.path()), "no pictures"));
    write_file(folder / "readme.txt", "no picture");
    CHECK(contains(open_error(folder.path()), "no pictures"));
    write_file(folder / "a.png", "no picture either");
    const std::string error = open_error(folder.path());
    CHECK(contains(error, "no frame of it could be decoded"));
    CHECK(contains(error, "a.png"));
}

TEST_CASE("pictures come in the order of their names, whatever their size and format, and bad ones are skipped") {
    const TempFolder folder;
    REQUIRE(write_picture(gradient(40, 30, 1), folder / "b%03d.png").ok());
    REQUIRE(write_picture(gradient(333, 77, 2), folder / "c.JPG").ok());
    REQUIRE(write_picture(gradient(1, 1, 3), folder / "d*.png").ok());
    REQUIRE(write_picture(gradient(40, 30, 0), folder / "a.jpeg").ok());
    write_file(folder / "b.png", read_file(folder / "b%03d.png").substr(0, 40));
    write_file(folder / "e.png", "");
    auto reader = FrameReader::open(folder.path(), small_images());
    REQUIRE(reader.ok());
    std::vector<int> blues;
    for (;;) {
        auto next = reader->next();
        REQUIRE(next.ok());
        if (!*next) break;
        blues.push_back((int{bytes_of((*next)->image)[2]} + 20) / 40);
    }
    CHECK(blues == std::vector<int>{0, 1, 2, 3});
    CHECK(reader->corrupt() == 2);
    CHECK(contains(reader->last_corruption(), "e.png"));
}

TEST_CASE("a picture that says it is of absurd size is skipped before anything is allocated for it") {
    const TempFolder folder;
    REQUIRE(write_picture(gradient(40, 30, 1), folder / "a.png").ok());
    std::string png = read_file(folder / "a.png");
    // IHDR: width and height, big-endian, at 16 and 20. (Its checksum is not looked at before.) 10,000 x 10,000 pixels
    // are more than Eddy's bound and less than FFmpeg's own.
    for (const size_t at : {16U, 20U}) png.replace(at, 4, std::string("\0\0\x27\x10", 4));
    write_file(folder / "b.png", png);
    auto reader = FrameReader::open(folder.path(), small_images());
    REQUIRE(reader.ok());
    CHECK((*reader->next()).has_value());
    CHECK_FALSE((*reader->next()).has_value());
    CHECK(reader->corrupt() == 1);
    CHECK_MESSAGE(contains(reader->last_corruption(), "exceeds"), reader->last_corruption());
}

TEST_CASE("a video cut short gives the frames before the cut") {
    const TempFolder folder;
    write_video(folder / "v.avi", {.frames = 30});
    const auto whole = frames_of(folder / "v.avi", 100);
    const std::string content = read_file(folder / "v.avi");
    write_file(folder / "cut.avi", content.substr(0, content.size() / 2));
    const auto cut = frames_of(folder / "cut.avi", 100);
    CHECK(cut.size() >= 5);
    CHECK(cut.size() < 30);
    for (size_t k = 0; k + 1 < cut.size(); ++k) CHECK(cut[k] == whole[k]);
}

TEST_CASE("a video damaged at random places never stops the program, and gives the same frames each time") {
    const TempFolder folder;
    for (const auto& [name, encoder] : {std::pair{"v.avi", "mpeg4"}, {"v.mkv", "mpeg4"}, {"m.avi", "mjpeg"}}) {
        const std::string path = folder / name;
        write_video(
            path,
            {.frames = 20, .encoder = encoder, .pixels = std::string(encoder) == "mjpeg" ? "yuvj420p" : "yuv420p"});
        const std::string content = read_file(path);
        CHECK(rc::check(std::string("damaged ") + name + " " + encoder, [&] {
            std::string damaged = content;
            for (int i = *rc::gen::inRange(1, 60); i > 0; --i)
                damaged[*rc::gen::inRange<size_t>(0, damaged.size())] =
                    static_cast<char>(*rc::gen::arbitrary<uint8_t>());
            write_file(path, damaged);
            if (auto reader = FrameReader::open(path, small_images()); !reader.ok()) {
                RC_ASSERT(contains(reader.error().message, path));
                return;
            }
            RC_ASSERT(frames_of(path, 40) == frames_of(path, 40));
        }));
    }
}

TEST_CASE("damage inside a packet is counted and the rest of the video is read") {
    const TempFolder folder;
    write_video(folder / "m.avi", {.frames = 20, .encoder = "mjpeg", .pixels = "yuvj420p"});
    std::string content = read_file(folder / "m.avi");
    // Frame 10's own data: from the eleventh JPEG start on.
    size_t at = 0;
    for (int i = 0; i <= 10; ++i) at = content.find("\xFF\xD8\xFF", at + 1);
    REQUIRE(at != std::string::npos);
    content.replace(at, 400, 400, '\0');
    write_file(folder / "m.avi", content);
    auto reader = FrameReader::open(folder / "m.avi", small_images());
    REQUIRE(reader.ok());
    CHECK(*reader->skip(19));
    CHECK_FALSE(*reader->skip(1));
    CHECK(reader->corrupt() == 1);
    CHECK_FALSE(reader->last_corruption().empty());
}

TEST_CASE("a stream whose pictures change size goes on at the model's size") {
    // Two MJPEG streams of different sizes, one after the other, are one such stream.
    const TempFolder folder;
    std::string both;
    for (const auto& [name, graph] :
         {std::pair{"a.mjpeg", "testsrc2=size=160x120:rate=10"}, {"b.mjpeg", "testsrc2=size=320x100:rate=10"}}) {
        write_video(folder / name, {.graph = graph, .frames = 4, .encoder = "mjpeg", .pixels = "yuvj420p"});
        both += read_file(folder / name);
    }
    write_file(folder / "both.mjpeg", both);
    auto expected = frames_of(folder / "a.mjpeg", 9);
    for (auto& frame : frames_of(folder / "b.mjpeg", 9)) expected.push_back(std::move(frame));
    CHECK(expected.size() == 8);
    CHECK(frames_of(folder / "both.mjpeg", 9) == expected);
}

TEST_CASE("timestamps that jump back, or ahead beyond reason, are taken for damage; a pause is kept") {
    struct Case {
        const char* jump_s;
        double fourth_s;
    };
    for (const Case& c : {Case{"+1e6", 0.3}, Case{"-5", 0.3}, Case{"+30", 30.3}}) {
        CAPTURE(c.fourth_s);
        const std::string input =
            "lavfi:testsrc2=size=64x48:rate=10,setpts='round((N/10+gte(N,3)*(0" + std::string(c.jump_s) + "))/TB)'";
        auto reader = FrameReader::open(input, small_images());
        REQUIRE(reader.ok());
        REQUIRE(*reader->skip(2));
        CHECK((**reader->next()).position == from_seconds(0.2));
        for (int k = 0; k < 4; ++k) {
            auto next = reader->next();
            REQUIRE(next.ok());
            CHECK(to_seconds((*next)->position) == doctest::Approx(c.fourth_s + 0.1 * k));
        }
    }
}

TEST_CASE("a set stop flag makes reading give up") {
    std::atomic<bool> stop{false};
    auto options = small_images();
    options.stop = &stop;
    auto reader = FrameReader::open("lavfi:testsrc2", options);
    REQUIRE(reader.ok());
    REQUIRE(reader->next().ok());
    stop = true;
    auto next = reader->next();
    REQUIRE_FALSE(next.ok());
    CHECK(contains(next.error().message, "stopped"));
}

TEST_CASE("the real walkway video is read to its end" *
          doctest::skip(!std::filesystem::exists(EDDY_SOURCE_DIR "/build/media/vtest.avi"))) {
    ReaderOptions options;
    options.width = options.height = 300;
    auto reader = FrameReader::open(EDDY_SOURCE_DIR "/build/media/vtest.avi", options);
    REQUIRE(reader.ok());
    CHECK((**reader->next()).position == Usec{0});
    CHECK((**reader->next()).position == Usec{100'000});
    CHECK(*reader->skip(793));
    CHECK_FALSE(*reader->skip(1));
    CHECK(reader->corrupt() == 0);
}

}  // namespace
}  // namespace eddy::camera::test
