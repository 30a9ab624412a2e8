{
  # One target: build/Release/ndis_vfio.node. Node-API 9 only, so one binary serves every Node from 20 on.
  # nodelete: the SIGBUS handler is process-wide and must outlive the worker thread that loaded the addon.
  "targets": [
    {
      "target_name": "ndis_vfio",
      "sources": [
        "native/addon.cpp",
        "native/environment.cpp",
        "native/errors.cpp",
        "native/mapping.cpp",
        "native/vfio.cpp",
        "native/bar.cpp",
        "native/msix.cpp",
        "native/dma.cpp",
        "native/irq.cpp",
        "native/tap.cpp"
      ],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": ["NAPI_VERSION=9", "NAPI_CPP_EXCEPTIONS", "NODE_ADDON_API_DISABLE_DEPRECATED", "_FILE_OFFSET_BITS=64"],
      "cflags_cc!": ["-fno-exceptions", "-fno-rtti", "-std=gnu++17", "-std=gnu++20", "-Wno-unused-parameter"],
      "cflags_cc": ["-std=c++17", "-fexceptions", "-fvisibility=hidden", "-Wall", "-Wextra", "-Werror"],
      "cflags!": ["-Wno-unused-parameter"],
      "ldflags": ["-Wl,-z,nodelete", "-Wl,-z,now"]
    }
  ]
}
