package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"

	client "example.com/smh/client"
)

func begin(ctx context.Context, api *client.UploadsAPIService) error {
	var size int64 = 3 * 1024 * 1024 * 1024
	body := client.NewBeginUpload("go/movie.mp4", size)
	credentials, response, err := api.BeginUpload(ctx).BeginUpload(*body).Execute()
	if err != nil {
		return err
	}
	fmt.Println("begin.uploadId=" + credentials.UploadId)
	fmt.Println("begin.confirmKey=" + credentials.ConfirmKey)
	fmt.Println("begin.authorization=" + credentials.Headers["Authorization"])
	fmt.Println("begin.location=" + response.Header.Get("Location"))
	fmt.Println("begin.expires=" + response.Header.Get("Upload-Expires"))
	return nil
}

func instant(ctx context.Context, api *client.UploadsAPIService) error {
	size, err := strconv.ParseInt(os.Getenv("KNOWN_SIZE"), 10, 64)
	if err != nil {
		return err
	}
	known := client.NewInstantUpload("go/copy.bin", size, os.Getenv("KNOWN_BEGINNING_HASH"))
	first, _, err := api.InstantUpload(ctx).InstantUpload(*known).Execute()
	if err != nil {
		return err
	}
	fmt.Println("instant.first=" + first.Outcome)
	known.SetFullHash(os.Getenv("KNOWN_FULL_HASH"))
	second, _, err := api.InstantUpload(ctx).InstantUpload(*known).Execute()
	if err != nil {
		return err
	}
	fmt.Println("instant.second=" + second.Outcome)
	var stored int64 = second.File.Size
	fmt.Printf("instant.size=%d\n", stored)
	unknown := client.NewInstantUpload("go/copy.bin", size, strings.Repeat("0", 64))
	third, _, err := api.InstantUpload(ctx).InstantUpload(*unknown).Execute()
	if err != nil {
		return err
	}
	fmt.Println("instant.third=" + third.Outcome)
	fmt.Println("instant.confirmKey=" + third.Credentials.ConfirmKey)
	return nil
}

func problem(ctx context.Context, api *client.UploadsAPIService) error {
	body := client.NewBeginUpload("go/%2e%2e/movie.mp4", 1)
	_, _, err := api.BeginUpload(ctx).BeginUpload(*body).Execute()
	var failure *client.GenericOpenAPIError
	if !errors.As(err, &failure) {
		return fmt.Errorf("not an API error: %w", err)
	}
	problem, ok := failure.Model().(client.Problem)
	if !ok {
		return fmt.Errorf("not a problem: %T", failure.Model())
	}
	fmt.Printf("problem.status=%d\n", problem.Status)
	fmt.Println("problem.code=" + problem.Code)
	fmt.Println("problem.field=" + problem.Errors[0].Field)
	return nil
}

func main() {
	configuration := client.NewConfiguration()
	configuration.Servers = client.ServerConfigurations{{URL: os.Getenv("GATEWAY_URL")}}
	ctx := context.WithValue(context.Background(), client.ContextAccessToken, os.Getenv("TOKEN"))
	api := client.NewAPIClient(configuration).UploadsAPI
	for _, step := range []func(context.Context, *client.UploadsAPIService) error{begin, instant, problem} {
		if err := step(ctx, api); err != nil {
			log.Print(err)
		}
	}
}
