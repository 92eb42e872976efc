import os
import traceback

from openapi_client import (
    ApiClient,
    ApiException,
    BeginUpload,
    Configuration,
    InstantUpload,
    Problem,
    UploadCredentials,
    UploadsApi,
)


def begin(api: UploadsApi) -> None:
    size = 3 * 1024 * 1024 * 1024
    response = api.begin_upload_with_http_info(BeginUpload(path="python/movie.mp4", size=size))
    credentials = response.data
    assert isinstance(credentials, UploadCredentials)
    print(f"begin.uploadId={credentials.upload_id}")
    print(f"begin.confirmKey={credentials.confirm_key}")
    print(f"begin.authorization={credentials.headers['Authorization']}")
    print(f"begin.location={response.headers['Location']}")
    print(f"begin.expires={response.headers['Upload-Expires']}")


def instant(api: UploadsApi) -> None:
    def known(beginning_hash: str, full_hash: str | None = None) -> InstantUpload:
        return InstantUpload(
            path="python/copy.bin",
            size=int(os.environ["KNOWN_SIZE"]),
            beginningHash=beginning_hash,
            fullHash=full_hash,
        )

    first = api.instant_upload(known(os.environ["KNOWN_BEGINNING_HASH"]))
    print(f"instant.first={first.outcome}")
    second = api.instant_upload(
        known(os.environ["KNOWN_BEGINNING_HASH"], os.environ["KNOWN_FULL_HASH"])
    )
    print(f"instant.second={second.outcome}")
    print(f"instant.size={second.file.size}")
    third = api.instant_upload(known("0" * 64))
    print(f"instant.third={third.outcome}")
    print(f"instant.confirmKey={third.credentials.confirm_key}")


def problem(api: UploadsApi) -> None:
    try:
        api.begin_upload(BeginUpload(path="python/%2e%2e/movie.mp4", size=1))
    except ApiException as error:
        assert isinstance(error.data, Problem)
        print(f"problem.status={error.data.status}")
        print(f"problem.code={error.data.code}")
        print(f"problem.field={error.data.errors[0].var_field}")


configuration = Configuration(
    host=os.environ["GATEWAY_URL"], access_token=os.environ["TOKEN"]
)
with ApiClient(configuration) as client:
    for step in [begin, instant, problem]:
        try:
            step(UploadsApi(client))
        except Exception:
            traceback.print_exc()
