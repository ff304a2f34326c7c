// See check_everywhere.hpp. Models with many weights, and the real ones.
#include <cstdio>

#include "check_everywhere.hpp"
#include "support.hpp"

using namespace eddy::test;

#define EDDY_ARCHITECTURE(name)                                                          \
    TEST_CASE("every legal cut and 20 compositions agree with the whole model: " name) { \
        check_everywhere(made_model(name), 11);                                          \
    }

EDDY_ARCHITECTURE("mobilenet_v2")
EDDY_ARCHITECTURE("mobilenet_v2_scripted")
EDDY_ARCHITECTURE("resnet18")
EDDY_ARCHITECTURE("resnet50_scripted")
EDDY_ARCHITECTURE("googlenet")
EDDY_ARCHITECTURE("efficientnet_b0")
EDDY_ARCHITECTURE("fcn_resnet50")

TEST_CASE("the real models agree with themselves wherever they are cut") {
    for (const char* name : {"ssdlite_mobilenet_v2_coco", "resnet50_imagenet"}) {
        const std::string path = real_model(name);
        if (FILE* file = std::fopen(path.c_str(), "rb")) {
            std::fclose(file);
            check_everywhere(path, 12);
        } else {
            FAIL_CHECK(path << " is missing: run scripts/setup, which makes it");
        }
    }
}
