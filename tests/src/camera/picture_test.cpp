// Goal: what was found can be seen: boxes where they belong, labels legible, files that others can read. Method: drawn
// on made-up pictures and read back.
#include "src/camera/picture.hpp"

#include <cmath>
#include <filesystem>
#include <limits>

#include <doctest/doctest.h>

#include "tests/src/camera/media.hpp"

namespace eddy::camera::test {
namespace {

const uint8_t* pixel(const Picture& picture, uint32_t x, uint32_t y) {
    return reinterpret_cast<const uint8_t*>(picture.rgb.data()) + (size_t{y} * picture.width + x) * 3;
}

bool same_pixel(const Picture& a, const Picture& b, uint32_t x, uint32_t y) {
    return std::equal(pixel(a, x, y), pixel(a, x, y) + 3, pixel(b, x, y));
}

// Pixels that differ inside [x0, x1) x [y0, y1).
size_t changed(const Picture& a, const Picture& b, uint32_t x0, uint32_t y0, uint32_t x1, uint32_t y1) {
    size_t count = 0;
    for (uint32_t y = y0; y < y1; ++y) {
        for (uint32_t x = x0; x < x1; ++x) count += same_pixel(a, b, x, y) ? 0 : 1;
    }
    return count;
}

TEST_CASE("a box is drawn along its edge, with its label above, and nothing else changes") {
    const Picture before = gradient(400, 300, 2);
    auto drawn = annotate(before, {.boxes = {{0.25F, 0.5F, 0.75F, 0.9F, "person", 0.87F, 0}}});
    REQUIRE_MESSAGE(drawn.ok(), (drawn.ok() ? "" : drawn.error().message));
    for (const uint32_t x : {100U, 150U, 299U}) {
        CHECK(pixel(*drawn, x, 150)[0] == 230);
        CHECK(pixel(*drawn, x, 269)[0] == 230);
    }
    CHECK(changed(before, *drawn, 102, 152, 298, 268) == 0);
    CHECK(changed(before, *drawn, 0, 0, 400, 120) == 0);
    CHECK(changed(before, *drawn, 0, 272, 400, 300) == 0);
    // White letters on the box's colour.
    size_t white = 0, background = 0;
    for (uint32_t y = 130; y < 150; ++y) {
        for (uint32_t x = 100; x < 220; ++x) {
            const uint8_t* p = pixel(*drawn, x, y);
            white += p[0] > 240 && p[1] > 240 && p[2] > 240 ? 1 : 0;
            background += p[0] == 230 && p[1] == 25 && p[2] == 75 ? 1 : 0;
        }
    }
    CHECK(white > 20);
    CHECK(background > 300);
}

TEST_CASE("other labels look different") {
    const Picture before = gradient(200, 100, 2);
    const auto drawn = [&](const std::string& label, float score) {
        auto picture = annotate(before, {.boxes = {{0.1F, 0.5F, 0.9F, 0.9F, label, score, 3}}});
        REQUIRE(picture.ok());
        return *picture;
    };
    const Picture cat = drawn("cat", 0.5F);
    CHECK(changed(cat, drawn("cat", 0.5F), 0, 0, 200, 100) == 0);
    CHECK(changed(cat, drawn("dog", 0.5F), 0, 0, 200, 100) > 10);
    CHECK(changed(cat, drawn("cat", 0.9F), 0, 0, 200, 100) > 3);
    // Text is text: drawtext's own %{…} (here: the number of the picture) is not carried out.
    CHECK(changed(drawn("%{n}", 0.5F), drawn("0", 0.5F), 0, 0, 200, 100) > 10);
}

TEST_CASE("boxes beyond the picture and labels of any bytes are drawn without harm") {
    const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
    const Picture before = gradient(64, 48, 2);
    for (const std::string& label :
         {std::string("a:b,c;[d]'e'\\f%{pts}"), std::string("\xff\xfe\0\n\t", 5), std::string("\xe4\xba"),
          std::string(5000, 'x'), std::string(), std::string("Schlüssel 人")}) {
        Annotation annotation;
        annotation.boxes = {{-1, -1, 2, 2, label, 2, 1},
                            {nan, nan, nan, nan, label, nan, 2},
                            {-inf, 0, inf, 0, label, inf, 3},
                            {0.9F, 0.9F, 0.1F, 0.1F, label, 0, 4000000000U},
                            {1, 1, 1, 1, label, 0.5F, 5}};
        annotation.lines = {label, "", label};
        auto drawn = annotate(before, annotation);
        REQUIRE_MESSAGE(drawn.ok(), (drawn.ok() ? "" : drawn.error().message));
        CHECK(changed(before, *drawn, 0, 0, 64, 48) > 0);
    }
    CHECK(annotate(gradient(1, 1, 1), {.boxes = {{0, 0, 1, 1, "x", 1, 1}}, .lines = {"y"}}).ok());
}

TEST_CASE("what is no picture, or too much to draw, is refused") {
    Annotation many;
    many.boxes.resize(257);
    CHECK_FALSE(annotate(gradient(20, 20, 1), many).ok());
    Picture lying = gradient(20, 20, 1);
    lying.width = 21;
    CHECK_FALSE(annotate(lying, {}).ok());
    const TempFolder folder;
    CHECK_FALSE(write_picture(lying, folder / "a.png").ok());
    CHECK_FALSE(annotate(Picture{}, {}).ok());
}

TEST_CASE("a picture written as PNG is read back exactly, as JPEG nearly") {
    const TempFolder folder;
    const Picture picture = gradient(101, 57, 4);
    for (const char* name : {"a.png", "a.jpg", "b.JPEG"}) {
        CAPTURE(name);
        write_file(folder / name, "an older file");
        REQUIRE(write_picture(picture, folder / name).ok());
        auto back = read_picture(folder / name);
        REQUIRE(back.ok());
        REQUIRE(back->width == 101);
        REQUIRE(back->height == 57);
        int worst = 0;
        for (uint32_t y = 0; y < 57; ++y) {
            for (uint32_t x = 0; x < 101; ++x) {
                for (int c = 0; c < 3; ++c)
                    worst = std::max(worst, std::abs(int{pixel(picture, x, y)[c]} - int{pixel(*back, x, y)[c]}));
            }
        }
        CHECK(worst <= (std::string(name) == "a.png" ? 0 : 12));
    }
    CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 3);
}

TEST_CASE("a picture that cannot be written or read is an error that names it") {
    const TempFolder folder;
    const Picture picture = gradient(8, 8, 1);
    for (const std::string& path : {folder / "a.gif", folder / "none/a.png"}) {
        auto status = write_picture(picture, path);
        REQUIRE_FALSE(status.ok());
        CHECK(status.error().message.find(path) != std::string::npos);
    }
    auto missing = read_picture(folder / "x.png");
    REQUIRE_FALSE(missing.ok());
    CHECK(missing.error().message.find("x.png") != std::string::npos);
    CHECK(missing.error().message.find("No such file") != std::string::npos);
}

}  // namespace
}  // namespace eddy::camera::test
