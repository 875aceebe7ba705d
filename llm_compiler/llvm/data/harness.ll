; ModuleID = 'harness.c'
source_filename = "harness.c"
target datalayout = "e-m:e-p270:32:32-p271:32:32-p272:64:64-i64:64-f80:128-n8:16:32:64-S128"
target triple = "x86_64-unknown-linux-gnu"

%struct.out = type { i32, i8, i8, i16 }
%struct.__va_list_tag = type { i32, i32, ptr, ptr }

@h_found = dso_local local_unnamed_addr global i64 0, align 8
@sizes = internal unnamed_addr constant [9 x i8] c"\01\02\04\08\04\08\08\08\01", align 1
@h_choices = dso_local local_unnamed_addr global [6 x [512 x i64]] zeroinitializer, align 16
@h_exploring = dso_local local_unnamed_addr global i32 0, align 4
@pending_count = internal unnamed_addr global i64 0, align 8
@pending = internal unnamed_addr global [64 x %struct.out] zeroinitializer, align 16
@h_out_count = dso_local local_unnamed_addr global i64 0, align 8
@outs = internal global [512 x %struct.out] zeroinitializer, align 16
@h_seed = dso_local local_unnamed_addr global i64 0, align 8
@answer = internal unnamed_addr global i64 0, align 8
@pure = internal unnamed_addr global i1 false, align 4
@arguments = internal unnamed_addr global [32 x i64] zeroinitializer, align 16
@armed = internal global i32 0, align 4
@jump = internal global [32 x i64] zeroinitializer, align 16
@.str = private unnamed_addr constant [2 x i8] c"\0A\00", align 1
@target = internal unnamed_addr global i64 0, align 8
@h_fault = dso_local local_unnamed_addr global i64 0, align 8
@h_random = dso_local local_unnamed_addr global i64 0, align 8
@h_background = dso_local global [4 x [16384 x i8]] zeroinitializer, align 16
@h_used = dso_local local_unnamed_addr global [48 x i8] zeroinitializer, align 16
@h_scrub = dso_local local_unnamed_addr global i8 0, align 1
@print.text = internal global [4096 x i8] zeroinitializer, align 16

; Function Attrs: minsize nounwind optsize
define dso_local i64 @h_object() local_unnamed_addr #0 {
  %1 = load i64, ptr @h_found, align 8, !tbaa !2
  %2 = icmp ult i64 %1, 32
  br i1 %2, label %3, label %5

3:                                                ; preds = %0
  %4 = add nuw nsw i64 %1, 1
  store i64 %4, ptr @h_found, align 8, !tbaa !2
  br label %8

5:                                                ; preds = %0
  %6 = tail call fastcc i64 @random() #16
  %7 = and i64 %6, 31
  br label %8

8:                                                ; preds = %5, %3
  %9 = phi i64 [ %1, %3 ], [ %7, %5 ]
  %10 = tail call fastcc i64 @use(i64 noundef %9) #16
  ret i64 %10
}

; Function Attrs: minsize nounwind optsize
define internal fastcc i64 @use(i64 noundef %0) unnamed_addr #0 {
  %2 = shl i64 %0, 15
  %3 = add i64 %2, 35184372162560
  %4 = load i32, ptr @h_exploring, align 4, !tbaa !6
  %5 = icmp eq i32 %4, 0
  br i1 %5, label %22, label %6

6:                                                ; preds = %1
  %7 = getelementptr inbounds [48 x i8], ptr @h_used, i64 0, i64 %0
  %8 = load i8, ptr %7, align 1, !tbaa !8
  %9 = icmp eq i8 %8, 0
  br i1 %9, label %10, label %22

10:                                               ; preds = %6
  store i8 1, ptr %7, align 1, !tbaa !8
  %11 = tail call fastcc i64 @random() #16
  %12 = and i64 %11, 3
  %13 = getelementptr inbounds [4 x [16384 x i8]], ptr @h_background, i64 0, i64 %12
  %14 = inttoptr i64 %3 to ptr
  %15 = tail call ptr @memcpy(ptr noundef nonnull %14, ptr noundef nonnull %13, i64 noundef 16384) #17
  %16 = add i64 %2, 35184388939776
  %17 = inttoptr i64 %16 to ptr
  %18 = tail call ptr @memcpy(ptr noundef nonnull %17, ptr noundef nonnull %13, i64 noundef 16384) #17
  %19 = add i64 %2, 35184405716992
  %20 = inttoptr i64 %19 to ptr
  %21 = tail call ptr @memset(ptr noundef nonnull %20, i32 noundef 0, i64 noundef 16384) #17
  br label %22

22:                                               ; preds = %10, %6, %1
  %23 = add i64 %2, 35184372164608
  ret i64 %23
}

; Function Attrs: minsize mustprogress nofree norecurse nosync nounwind optsize willreturn memory(readwrite, argmem: none, inaccessiblemem: none)
define internal fastcc i64 @random() unnamed_addr #1 {
  %1 = load i64, ptr @h_random, align 8, !tbaa !2
  %2 = add i64 %1, 1
  store i64 %2, ptr @h_random, align 8, !tbaa !2
  %3 = tail call fastcc i64 @mix(i64 noundef %1) #16
  ret i64 %3
}

; Function Attrs: minsize nounwind optsize
define dso_local void @h_load(ptr noundef %0, i32 noundef %1, i64 noundef %2, i64 noundef %3) local_unnamed_addr #0 {
  %5 = alloca i64, align 8
  %6 = zext i32 %1 to i64
  %7 = getelementptr inbounds [9 x i8], ptr @sizes, i64 0, i64 %6
  %8 = load i8, ptr %7, align 1, !tbaa !8
  %9 = zext i8 %8 to i64
  %10 = ptrtoint ptr %0 to i64
  %11 = add i64 %10, -35184388866040
  %12 = icmp ult i64 %11, -16777208
  %13 = and i64 %10, -1048576
  %14 = icmp eq i64 %13, 35184374185984
  %15 = or i1 %12, %14
  br i1 %15, label %65, label %16

16:                                               ; preds = %4
  %17 = getelementptr inbounds i8, ptr %0, i64 33554432
  %18 = load i8, ptr %17, align 1, !tbaa !8
  %19 = icmp eq i8 %18, 0
  br i1 %19, label %20, label %65

20:                                               ; preds = %16
  %21 = add nuw nsw i64 %9, 33554431
  %22 = getelementptr inbounds i8, ptr %0, i64 %21
  %23 = load i8, ptr %22, align 1, !tbaa !8
  %24 = icmp eq i8 %23, 0
  br i1 %24, label %25, label %65

25:                                               ; preds = %20
  %26 = getelementptr inbounds i8, ptr %0, i64 16777216
  %27 = tail call i32 @memcmp(ptr noundef nonnull %0, ptr noundef nonnull %26, i64 noundef %9) #17
  %28 = icmp eq i32 %27, 0
  br i1 %28, label %29, label %65

29:                                               ; preds = %25
  call void @llvm.lifetime.start.p0(i64 8, ptr nonnull %5) #18
  %30 = icmp eq i32 %1, 6
  %31 = tail call fastcc i64 @random() #16
  br i1 %30, label %32, label %50

32:                                               ; preds = %29
  %33 = and i64 %31, 31
  %34 = load i64, ptr @h_found, align 8
  %35 = icmp ugt i64 %34, 31
  %36 = add nuw nsw i64 %34, 2
  %37 = icmp ult i64 %33, %36
  %38 = select i1 %35, i1 true, i1 %37
  br i1 %38, label %54, label %39

39:                                               ; preds = %32
  %40 = icmp eq i64 %33, 31
  %41 = icmp ne i64 %34, 0
  %42 = and i1 %40, %41
  br i1 %42, label %43, label %48

43:                                               ; preds = %39
  %44 = tail call fastcc i64 @random() #16
  %45 = load i64, ptr @h_found, align 8, !tbaa !2
  %46 = urem i64 %44, %45
  %47 = tail call fastcc i64 @use(i64 noundef %46) #16
  br label %54

48:                                               ; preds = %39
  %49 = tail call i64 @h_object() #16
  br label %54

50:                                               ; preds = %29
  %51 = and i64 %31, 511
  %52 = getelementptr inbounds [6 x [512 x i64]], ptr @h_choices, i64 0, i64 %6, i64 %51
  %53 = load i64, ptr %52, align 8, !tbaa !2
  br label %54

54:                                               ; preds = %48, %43, %32, %50
  %55 = phi i64 [ %53, %50 ], [ %47, %43 ], [ %49, %48 ], [ 0, %32 ]
  %56 = icmp eq i64 %3, 0
  br i1 %56, label %60, label %57

57:                                               ; preds = %54
  %58 = urem i64 %55, %3
  %59 = add i64 %58, %2
  br label %60

60:                                               ; preds = %57, %54
  %61 = phi i64 [ %59, %57 ], [ %55, %54 ]
  store i64 %61, ptr %5, align 8, !tbaa !2
  %62 = call ptr @memcpy(ptr noundef nonnull %0, ptr noundef nonnull %5, i64 noundef %9) #17
  %63 = call ptr @memcpy(ptr noundef nonnull %26, ptr noundef nonnull %5, i64 noundef %9) #17
  %64 = call ptr @memset(ptr noundef nonnull %17, i32 noundef 1, i64 noundef %9) #17
  call void @llvm.lifetime.end.p0(i64 8, ptr nonnull %5) #18
  br label %65

65:                                               ; preds = %16, %20, %25, %4, %60
  ret void
}

; Function Attrs: mustprogress nocallback nofree nosync nounwind willreturn memory(argmem: readwrite)
declare void @llvm.lifetime.start.p0(i64 immarg, ptr nocapture) #2

; Function Attrs: minsize optsize
declare dso_local i32 @memcmp(ptr noundef, ptr noundef, i64 noundef) local_unnamed_addr #3

; Function Attrs: minsize optsize
declare dso_local ptr @memcpy(ptr noundef, ptr noundef, i64 noundef) local_unnamed_addr #3

; Function Attrs: minsize optsize
declare dso_local ptr @memset(ptr noundef, i32 noundef, i64 noundef) local_unnamed_addr #3

; Function Attrs: mustprogress nocallback nofree nosync nounwind willreturn memory(argmem: readwrite)
declare void @llvm.lifetime.end.p0(i64 immarg, ptr nocapture) #2

; Function Attrs: minsize mustprogress nofree norecurse nosync nounwind optsize willreturn memory(readwrite, argmem: none, inaccessiblemem: none)
define dso_local void @h_out(i32 noundef %0, i32 noundef %1, i32 noundef %2) local_unnamed_addr #1 {
  %4 = load i32, ptr @h_exploring, align 4, !tbaa !6
  %5 = icmp ne i32 %4, 0
  %6 = load i64, ptr @pending_count, align 8
  %7 = icmp ult i64 %6, 64
  %8 = select i1 %5, i1 %7, i1 false
  br i1 %8, label %9, label %18

9:                                                ; preds = %3
  %10 = add nuw nsw i64 %6, 1
  store i64 %10, ptr @pending_count, align 8, !tbaa !2
  %11 = getelementptr inbounds [64 x %struct.out], ptr @pending, i64 0, i64 %6
  %12 = trunc i32 %0 to i8
  %13 = trunc i32 %2 to i8
  %14 = trunc i32 %1 to i16
  store i32 0, ptr %11, align 8, !tbaa.struct !9
  %15 = getelementptr inbounds i8, ptr %11, i64 4
  store i8 %12, ptr %15, align 4, !tbaa.struct !12
  %16 = getelementptr inbounds i8, ptr %11, i64 5
  store i8 %13, ptr %16, align 1, !tbaa.struct !13
  %17 = getelementptr inbounds i8, ptr %11, i64 6
  store i16 %14, ptr %17, align 2, !tbaa.struct !14
  br label %18

18:                                               ; preds = %9, %3
  ret void
}

; Function Attrs: minsize nounwind optsize
define dso_local void @h_call(i64 noundef %0) local_unnamed_addr #0 {
  %2 = alloca [8 x i8], align 8
  %3 = load i32, ptr @h_exploring, align 4, !tbaa !6
  %4 = icmp eq i32 %3, 0
  br i1 %4, label %22, label %5

5:                                                ; preds = %1
  %6 = load i64, ptr @pending_count, align 8, !tbaa !2
  %7 = load i64, ptr @h_out_count, align 8
  br label %8

8:                                                ; preds = %5, %14
  %9 = phi i64 [ %20, %14 ], [ %7, %5 ]
  %10 = phi i64 [ %21, %14 ], [ 0, %5 ]
  %11 = icmp ult i64 %10, %6
  %12 = icmp ult i64 %9, 512
  %13 = select i1 %11, i1 %12, i1 false
  br i1 %13, label %14, label %22

14:                                               ; preds = %8
  %15 = getelementptr inbounds [512 x %struct.out], ptr @outs, i64 0, i64 %9
  %16 = getelementptr inbounds [64 x %struct.out], ptr @pending, i64 0, i64 %10
  %17 = load i64, ptr %16, align 8
  store i64 %17, ptr %15, align 8
  %18 = load i64, ptr inttoptr (i64 35184372088840 to ptr), align 8, !tbaa !15
  %19 = trunc i64 %18 to i32
  %20 = add nuw nsw i64 %9, 1
  store i64 %20, ptr @h_out_count, align 8, !tbaa !2
  store i32 %19, ptr %15, align 8, !tbaa !17
  %21 = add nuw i64 %10, 1
  br label %8, !llvm.loop !19

22:                                               ; preds = %8, %1
  store i64 0, ptr @pending_count, align 8, !tbaa !2
  %23 = load i64, ptr @h_seed, align 8, !tbaa !2
  %24 = load i64, ptr inttoptr (i64 35184372088840 to ptr), align 8, !tbaa !15
  %25 = add i64 %24, 1
  store i64 %25, ptr inttoptr (i64 35184372088840 to ptr), align 8, !tbaa !15
  %26 = add i64 %24, %23
  %27 = tail call fastcc i64 @mix(i64 noundef %26) #16
  %28 = xor i64 %27, %0
  %29 = tail call fastcc i64 @mix(i64 noundef %28) #16
  store i64 %29, ptr @answer, align 8, !tbaa !2
  store <8 x i8> <i8 0, i8 2, i8 4, i8 11, i8 22, i8 34, i8 4, i8 11>, ptr %2, align 8, !tbaa !8
  %30 = and i64 %29, 7
  %31 = getelementptr inbounds [8 x i8], ptr %2, i64 0, i64 %30
  %32 = load i8, ptr %31, align 1, !tbaa !8
  %33 = zext i8 %32 to i32
  %34 = tail call ptr @__errno_location() #17
  store i32 %33, ptr %34, align 4, !tbaa !6
  store i1 false, ptr @pure, align 4
  tail call fastcc void @log_value(i64 noundef %0) #16
  ret void
}

; Function Attrs: minsize mustprogress nofree norecurse nosync nounwind optsize willreturn memory(none)
define internal fastcc i64 @mix(i64 noundef %0) unnamed_addr #4 {
  %2 = add i64 %0, -7046029254386353131
  %3 = lshr i64 %2, 30
  %4 = xor i64 %3, %2
  %5 = mul i64 %4, -4658895280553007687
  %6 = lshr i64 %5, 27
  %7 = xor i64 %6, %5
  %8 = mul i64 %7, -7723592293110705685
  %9 = lshr i64 %8, 31
  %10 = xor i64 %9, %8
  ret i64 %10
}

; Function Attrs: minsize optsize
declare dso_local ptr @__errno_location() local_unnamed_addr #3

; Function Attrs: minsize mustprogress nofree norecurse nosync nounwind optsize willreturn memory(readwrite, inaccessiblemem: none)
define internal fastcc void @log_value(i64 noundef %0) unnamed_addr #5 {
  %2 = load i64, ptr inttoptr (i64 35184372088864 to ptr), align 32, !tbaa !21
  %3 = icmp ult i64 %2, 2000
  br i1 %3, label %4, label %7

4:                                                ; preds = %1
  %5 = add nuw nsw i64 %2, 1
  store i64 %5, ptr inttoptr (i64 35184372088864 to ptr), align 32, !tbaa !21
  %6 = getelementptr inbounds [2000 x i64], ptr inttoptr (i64 35184372088872 to ptr), i64 0, i64 %2
  store i64 %0, ptr %6, align 8, !tbaa !2
  br label %11

7:                                                ; preds = %1
  %8 = load i64, ptr inttoptr (i64 35184372104864 to ptr), align 32, !tbaa !2
  %9 = xor i64 %8, %0
  %10 = tail call fastcc i64 @mix(i64 noundef %9) #16
  store i64 %10, ptr inttoptr (i64 35184372104864 to ptr), align 32, !tbaa !2
  br label %11

11:                                               ; preds = %7, %4
  ret void
}

; Function Attrs: minsize mustprogress nofree norecurse nosync nounwind optsize willreturn memory(readwrite, inaccessiblemem: none)
define dso_local void @h_argument(i64 noundef %0) local_unnamed_addr #5 {
  tail call fastcc void @log_value(i64 noundef %0) #16
  ret void
}

; Function Attrs: minsize mustprogress nofree norecurse nosync nounwind optsize willreturn memory(readwrite, inaccessiblemem: none)
define dso_local void @h_pointer_argument(i64 noundef %0, i32 noundef %1) local_unnamed_addr #5 {
  %3 = and i32 %1, 31
  %4 = zext i32 %3 to i64
  %5 = getelementptr inbounds [32 x i64], ptr @arguments, i64 0, i64 %4
  store i64 %0, ptr %5, align 8, !tbaa !2
  %6 = add i64 %0, -35184384671744
  %7 = icmp ult i64 %6, 4194296
  br i1 %7, label %8, label %11

8:                                                ; preds = %2
  %9 = inttoptr i64 %0 to ptr
  %10 = load i64, ptr %9, align 8, !tbaa !2
  br label %17

11:                                               ; preds = %2
  %12 = icmp eq i64 %0, 0
  %13 = and i64 %0, -16777216
  %14 = icmp eq i64 %13, 35184372088832
  %15 = or i1 %12, %14
  %16 = select i1 %15, i64 %0, i64 1
  br label %17

17:                                               ; preds = %11, %8
  %18 = phi i64 [ %16, %11 ], [ %10, %8 ]
  tail call fastcc void @log_value(i64 noundef %18) #16
  ret void
}

; Function Attrs: minsize nounwind optsize
define dso_local void @h_double_argument(double noundef %0) local_unnamed_addr #0 {
  %2 = alloca double, align 8
  %3 = alloca i64, align 8
  store double %0, ptr %2, align 8, !tbaa !22
  call void @llvm.lifetime.start.p0(i64 8, ptr nonnull %3) #18
  %4 = call ptr @memcpy(ptr noundef nonnull %3, ptr noundef nonnull %2, i64 noundef 8) #17
  %5 = load double, ptr %2, align 8, !tbaa !22
  %6 = fcmp uno double %5, 0.000000e+00
  %7 = load i64, ptr %3, align 8
  %8 = select i1 %6, i64 9221120237041090560, i64 %7
  call fastcc void @log_value(i64 noundef %8) #16
  call void @llvm.lifetime.end.p0(i64 8, ptr nonnull %3) #18
  ret void
}

; Function Attrs: minsize mustprogress nofree norecurse nosync nounwind optsize willreturn memory(readwrite, argmem: none, inaccessiblemem: none)
define dso_local void @h_pure_call(i64 noundef %0) local_unnamed_addr #1 {
  %2 = load i64, ptr @h_seed, align 8, !tbaa !2
  %3 = xor i64 %2, %0
  %4 = tail call fastcc i64 @mix(i64 noundef %3) #16
  store i64 %4, ptr @answer, align 8, !tbaa !2
  store i1 true, ptr @pure, align 4
  ret void
}

; Function Attrs: minsize mustprogress nofree norecurse nosync nounwind optsize willreturn memory(readwrite, argmem: none, inaccessiblemem: none)
define dso_local void @h_pure_argument(i64 noundef %0) local_unnamed_addr #1 {
  %2 = load i64, ptr @answer, align 8, !tbaa !2
  %3 = xor i64 %2, %0
  %4 = tail call fastcc i64 @mix(i64 noundef %3) #16
  store i64 %4, ptr @answer, align 8, !tbaa !2
  ret void
}

; Function Attrs: minsize nounwind optsize
define dso_local i64 @h_answer(i32 noundef %0) local_unnamed_addr #0 {
  %2 = load i64, ptr @answer, align 8, !tbaa !2
  %3 = tail call fastcc i64 @mix(i64 noundef %2) #16
  store i64 %3, ptr @answer, align 8, !tbaa !2
  %4 = icmp ult i32 %0, 6
  br i1 %4, label %5, label %10

5:                                                ; preds = %1
  %6 = zext i32 %0 to i64
  %7 = and i64 %2, 511
  %8 = getelementptr inbounds [6 x [512 x i64]], ptr @h_choices, i64 0, i64 %6, i64 %7
  %9 = load i64, ptr %8, align 8, !tbaa !2
  br label %27

10:                                               ; preds = %1
  %11 = and i64 %2, 7
  %12 = icmp eq i64 %11, 0
  %13 = icmp eq i32 %0, 6
  %14 = and i1 %13, %12
  br i1 %14, label %27, label %15

15:                                               ; preds = %10
  %16 = load i1, ptr @pure, align 4
  br i1 %16, label %17, label %19

17:                                               ; preds = %15
  %18 = lshr i64 %2, 3
  br label %22

19:                                               ; preds = %15
  %20 = load i64, ptr inttoptr (i64 35184372088848 to ptr), align 16, !tbaa !24
  %21 = add i64 %20, 1
  store i64 %21, ptr inttoptr (i64 35184372088848 to ptr), align 16, !tbaa !24
  br label %22

22:                                               ; preds = %19, %17
  %23 = phi i64 [ %18, %17 ], [ %20, %19 ]
  %24 = and i64 %23, 15
  %25 = or i64 %24, 32
  %26 = tail call fastcc i64 @use(i64 noundef %25) #16
  br label %27

27:                                               ; preds = %22, %10, %5
  %28 = phi i64 [ %9, %5 ], [ %26, %22 ], [ 0, %10 ]
  ret i64 %28
}

; Function Attrs: minsize nounwind optsize
define dso_local void @h_write_locals() local_unnamed_addr #0 {
  %1 = alloca i64, align 8
  %2 = load i64, ptr inttoptr (i64 35184372088840 to ptr), align 8, !tbaa !15
  %3 = add i64 %2, -1
  %4 = and i64 %3, 255
  %5 = getelementptr inbounds [256 x i64], ptr inttoptr (i64 35184372104872 to ptr), i64 0, i64 %4
  %6 = load i64, ptr @h_out_count, align 8, !tbaa !2
  br label %7

7:                                                ; preds = %49, %0
  %8 = phi i64 [ %6, %0 ], [ %50, %49 ]
  %9 = phi ptr [ @outs, %0 ], [ %51, %49 ]
  %10 = getelementptr inbounds %struct.out, ptr @outs, i64 %8
  %11 = icmp ult ptr %9, %10
  br i1 %11, label %13, label %12

12:                                               ; preds = %7
  ret void

13:                                               ; preds = %7
  %14 = load i32, ptr %9, align 4, !tbaa !17
  %15 = zext i32 %14 to i64
  %16 = icmp eq i64 %3, %15
  br i1 %16, label %17, label %49

17:                                               ; preds = %13
  %18 = getelementptr inbounds %struct.out, ptr %9, i64 0, i32 1
  %19 = load i8, ptr %18, align 4, !tbaa !25
  %20 = and i8 %19, 31
  %21 = zext i8 %20 to i64
  %22 = getelementptr inbounds [32 x i64], ptr @arguments, i64 0, i64 %21
  %23 = load i64, ptr %22, align 8, !tbaa !2
  %24 = getelementptr inbounds %struct.out, ptr %9, i64 0, i32 3
  %25 = load i16, ptr %24, align 2, !tbaa !26
  %26 = zext i16 %25 to i64
  %27 = add i64 %23, %26
  %28 = inttoptr i64 %27 to ptr
  call void @llvm.lifetime.start.p0(i64 8, ptr nonnull %1) #18
  store i64 0, ptr %1, align 8, !tbaa !2
  %29 = getelementptr inbounds %struct.out, ptr %9, i64 0, i32 2
  %30 = load i8, ptr %29, align 1, !tbaa !27
  %31 = zext i8 %30 to i64
  %32 = getelementptr inbounds [9 x i8], ptr @sizes, i64 0, i64 %31
  %33 = load i8, ptr %32, align 1, !tbaa !8
  %34 = zext i8 %33 to i64
  %35 = call ptr @memcpy(ptr noundef nonnull %1, ptr noundef %28, i64 noundef %34) #17
  %36 = load i64, ptr %5, align 8, !tbaa !2
  %37 = load i64, ptr %1, align 8, !tbaa !2
  %38 = xor i64 %37, %36
  %39 = call fastcc i64 @mix(i64 noundef %38) #16
  store i64 %39, ptr %5, align 8, !tbaa !2
  %40 = load i8, ptr %29, align 1, !tbaa !27
  %41 = icmp eq i8 %40, 8
  br i1 %41, label %45, label %42

42:                                               ; preds = %17
  %43 = zext i8 %40 to i32
  %44 = call i64 @h_answer(i32 noundef %43) #16
  br label %45

45:                                               ; preds = %17, %42
  %46 = phi i64 [ %44, %42 ], [ 0, %17 ]
  store i64 %46, ptr %1, align 8, !tbaa !2
  %47 = call ptr @memcpy(ptr noundef %28, ptr noundef nonnull %1, i64 noundef %34) #17
  call void @llvm.lifetime.end.p0(i64 8, ptr nonnull %1) #18
  %48 = load i64, ptr @h_out_count, align 8, !tbaa !2
  br label %49

49:                                               ; preds = %13, %45
  %50 = phi i64 [ %8, %13 ], [ %48, %45 ]
  %51 = getelementptr inbounds %struct.out, ptr %9, i64 1
  br label %7, !llvm.loop !28
}

; Function Attrs: minsize noreturn nounwind optsize
define dso_local void @h_exit() local_unnamed_addr #6 {
  store volatile i32 0, ptr @armed, align 4, !tbaa !6
  tail call void @siglongjmp(ptr noundef nonnull @jump, i32 noundef 200) #19
  unreachable
}

; Function Attrs: minsize noreturn optsize
declare dso_local void @siglongjmp(ptr noundef, i32 noundef) local_unnamed_addr #7

; Function Attrs: minsize mustprogress nofree norecurse nosync nounwind optsize willreturn memory(readwrite, inaccessiblemem: none)
define dso_local ptr @h_malloc(i64 noundef %0) local_unnamed_addr #5 {
  %2 = icmp ugt i64 %0, 65536
  br i1 %2, label %15, label %3

3:                                                ; preds = %1
  %4 = load i64, ptr inttoptr (i64 35184372088832 to ptr), align 4294967296, !tbaa !29
  %5 = add nuw nsw i64 %0, -1048513
  %6 = add i64 %5, %4
  %7 = icmp ult i64 %6, -1048577
  br i1 %7, label %15, label %8

8:                                                ; preds = %3
  %9 = add i64 %4, 35184374185984
  %10 = inttoptr i64 %9 to ptr
  %11 = add nuw nsw i64 %0, 63
  %12 = and i64 %11, -16
  %13 = add i64 %4, %12
  store i64 %13, ptr inttoptr (i64 35184372088832 to ptr), align 4294967296, !tbaa !29
  store i64 %0, ptr %10, align 8, !tbaa !2
  %14 = getelementptr inbounds i64, ptr %10, i64 2
  br label %15

15:                                               ; preds = %1, %3, %8
  %16 = phi ptr [ %14, %8 ], [ null, %3 ], [ null, %1 ]
  ret ptr %16
}

; Function Attrs: minsize nounwind optsize
define dso_local ptr @h_calloc(i64 noundef %0, i64 noundef %1) local_unnamed_addr #0 {
  %3 = tail call { i64, i1 } @llvm.umul.with.overflow.i64(i64 %0, i64 %1)
  %4 = extractvalue { i64, i1 } %3, 1
  %5 = extractvalue { i64, i1 } %3, 0
  br i1 %4, label %11, label %6

6:                                                ; preds = %2
  %7 = tail call ptr @h_malloc(i64 noundef %5) #16
  %8 = icmp eq ptr %7, null
  br i1 %8, label %11, label %9

9:                                                ; preds = %6
  %10 = tail call ptr @memset(ptr noundef nonnull %7, i32 noundef 0, i64 noundef %5) #17
  br label %11

11:                                               ; preds = %2, %6, %9
  %12 = phi ptr [ %10, %9 ], [ null, %6 ], [ null, %2 ]
  ret ptr %12
}

; Function Attrs: mustprogress nocallback nofree nosync nounwind speculatable willreturn memory(none)
declare { i64, i1 } @llvm.umul.with.overflow.i64(i64, i64) #8

; Function Attrs: minsize nounwind optsize
define dso_local void @h_free(ptr noundef %0) local_unnamed_addr #0 {
  %2 = ptrtoint ptr %0 to i64
  %3 = and i64 %2, -1048561
  %4 = icmp ne i64 %3, 35184374185984
  %5 = add i64 %2, -16
  %6 = icmp eq i64 %5, 0
  %7 = or i1 %4, %6
  br i1 %7, label %14, label %8

8:                                                ; preds = %1
  %9 = inttoptr i64 %5 to ptr
  %10 = load i64, ptr %9, align 8, !tbaa !2
  %11 = icmp ult i64 %10, 65537
  br i1 %11, label %12, label %14

12:                                               ; preds = %8
  %13 = tail call ptr @memset(ptr noundef %0, i32 noundef 221, i64 noundef %10) #17
  br label %14

14:                                               ; preds = %12, %8, %1
  ret void
}

; Function Attrs: minsize nounwind optsize
define dso_local ptr @h_realloc(ptr noundef %0, i64 noundef %1) local_unnamed_addr #0 {
  %3 = tail call ptr @h_malloc(i64 noundef %1) #16
  %4 = ptrtoint ptr %0 to i64
  %5 = and i64 %4, -1048561
  %6 = icmp eq i64 %5, 35184374185984
  %7 = add i64 %4, -16
  %8 = inttoptr i64 %7 to ptr
  %9 = select i1 %6, ptr %8, ptr null
  %10 = icmp ne ptr %3, null
  %11 = icmp ne ptr %0, null
  %12 = and i1 %11, %10
  br i1 %12, label %13, label %22

13:                                               ; preds = %2
  %14 = icmp eq ptr %9, null
  br i1 %14, label %18, label %15

15:                                               ; preds = %13
  %16 = load i64, ptr %9, align 8, !tbaa !2
  %17 = icmp ult i64 %16, %1
  br i1 %17, label %19, label %18

18:                                               ; preds = %15, %13
  br label %19

19:                                               ; preds = %18, %15
  %20 = phi i64 [ %1, %18 ], [ %16, %15 ]
  %21 = tail call ptr @memcpy(ptr noundef nonnull %3, ptr noundef nonnull %0, i64 noundef %20) #17
  br label %23

22:                                               ; preds = %2
  br i1 %10, label %23, label %24

23:                                               ; preds = %19, %22
  tail call void @h_free(ptr noundef %0) #16
  br label %24

24:                                               ; preds = %23, %22
  ret ptr %3
}

; Function Attrs: minsize nounwind optsize
define dso_local ptr @h_strndup(ptr noundef %0, i64 noundef %1) local_unnamed_addr #0 {
  %3 = tail call i64 @strnlen(ptr noundef %0, i64 noundef %1) #17
  %4 = add i64 %3, 1
  %5 = tail call ptr @h_malloc(i64 noundef %4) #16
  %6 = icmp eq ptr %5, null
  br i1 %6, label %10, label %7

7:                                                ; preds = %2
  %8 = tail call ptr @memcpy(ptr noundef nonnull %5, ptr noundef %0, i64 noundef %3) #17
  %9 = getelementptr inbounds i8, ptr %5, i64 %3
  store i8 0, ptr %9, align 1, !tbaa !8
  br label %10

10:                                               ; preds = %7, %2
  ret ptr %5
}

; Function Attrs: minsize optsize
declare dso_local i64 @strnlen(ptr noundef, i64 noundef) local_unnamed_addr #3

; Function Attrs: minsize nounwind optsize
define dso_local ptr @h_strdup(ptr noundef %0) local_unnamed_addr #0 {
  %2 = tail call ptr @h_strndup(ptr noundef %0, i64 noundef 65536) #16
  ret ptr %2
}

; Function Attrs: minsize nounwind optsize
define dso_local ptr @h___strdup(ptr noundef %0) local_unnamed_addr #0 {
  %2 = tail call ptr @h_strndup(ptr noundef %0, i64 noundef 65536) #16
  ret ptr %2
}

; Function Attrs: minsize mustprogress nofree norecurse nosync nounwind optsize willreturn memory(readwrite, inaccessiblemem: none)
define dso_local ptr @h__Znwm(i64 noundef %0) local_unnamed_addr #5 {
  %2 = tail call ptr @h_malloc(i64 noundef %0) #16
  ret ptr %2
}

; Function Attrs: minsize mustprogress nofree norecurse nosync nounwind optsize willreturn memory(readwrite, inaccessiblemem: none)
define dso_local ptr @h__Znam(i64 noundef %0) local_unnamed_addr #5 {
  %2 = tail call ptr @h_malloc(i64 noundef %0) #16
  ret ptr %2
}

; Function Attrs: minsize nounwind optsize
define dso_local void @h__ZdlPv(ptr noundef %0) local_unnamed_addr #0 {
  tail call void @h_free(ptr noundef %0) #16
  ret void
}

; Function Attrs: minsize nounwind optsize
define dso_local void @h__ZdaPv(ptr noundef %0) local_unnamed_addr #0 {
  tail call void @h_free(ptr noundef %0) #16
  ret void
}

; Function Attrs: minsize nounwind optsize
define dso_local void @h__ZdlPvm(ptr noundef %0, i64 noundef %1) local_unnamed_addr #0 {
  tail call void @h_free(ptr noundef %0) #16
  ret void
}

; Function Attrs: minsize nounwind optsize
define dso_local void @h__ZdaPvm(ptr noundef %0, i64 noundef %1) local_unnamed_addr #0 {
  tail call void @h_free(ptr noundef %0) #16
  ret void
}

; Function Attrs: minsize nounwind optsize
define dso_local i32 @h_printf(ptr noundef %0, ...) local_unnamed_addr #0 {
  %2 = alloca [1 x %struct.__va_list_tag], align 16
  call void @llvm.lifetime.start.p0(i64 24, ptr nonnull %2) #18
  call void @llvm.va_start(ptr nonnull %2)
  %3 = call fastcc i32 @print(i64 noundef 0, ptr noundef %0, ptr noundef nonnull %2) #16
  call void @llvm.va_end(ptr nonnull %2)
  call void @llvm.lifetime.end.p0(i64 24, ptr nonnull %2) #18
  ret i32 %3
}

; Function Attrs: mustprogress nocallback nofree nosync nounwind willreturn
declare void @llvm.va_start(ptr) #9

; Function Attrs: minsize nounwind optsize
define internal fastcc i32 @print(i64 noundef %0, ptr noundef %1, ptr noundef %2) unnamed_addr #0 {
  %4 = tail call i32 @vsnprintf(ptr noundef nonnull @print.text, i64 noundef 4096, ptr noundef %1, ptr noundef %2) #17
  %5 = tail call i32 @llvm.smin.i32(i32 %4, i32 4095)
  %6 = tail call i32 @llvm.smax.i32(i32 %5, i32 0)
  %7 = zext i32 %6 to i64
  tail call fastcc void @put(i64 noundef %0, ptr noundef nonnull @print.text, i64 noundef %7) #16
  ret i32 %4
}

; Function Attrs: mustprogress nocallback nofree nosync nounwind willreturn
declare void @llvm.va_end(ptr) #9

; Function Attrs: minsize nounwind optsize
define dso_local i32 @h___printf_chk(i32 noundef %0, ptr noundef %1, ...) local_unnamed_addr #0 {
  %3 = alloca [1 x %struct.__va_list_tag], align 16
  call void @llvm.lifetime.start.p0(i64 24, ptr nonnull %3) #18
  call void @llvm.va_start(ptr nonnull %3)
  %4 = call fastcc i32 @print(i64 noundef 0, ptr noundef %1, ptr noundef nonnull %3) #16
  call void @llvm.va_end(ptr nonnull %3)
  call void @llvm.lifetime.end.p0(i64 24, ptr nonnull %3) #18
  ret i32 %4
}

; Function Attrs: minsize nounwind optsize
define dso_local i32 @h_fprintf(ptr noundef %0, ptr noundef %1, ...) local_unnamed_addr #0 {
  %3 = alloca [1 x %struct.__va_list_tag], align 16
  call void @llvm.lifetime.start.p0(i64 24, ptr nonnull %3) #18
  call void @llvm.va_start(ptr nonnull %3)
  %4 = ptrtoint ptr %0 to i64
  %5 = call fastcc i32 @print(i64 noundef %4, ptr noundef %1, ptr noundef nonnull %3) #16
  call void @llvm.va_end(ptr nonnull %3)
  call void @llvm.lifetime.end.p0(i64 24, ptr nonnull %3) #18
  ret i32 %5
}

; Function Attrs: minsize nounwind optsize
define dso_local i32 @h___fprintf_chk(ptr noundef %0, i32 noundef %1, ptr noundef %2, ...) local_unnamed_addr #0 {
  %4 = alloca [1 x %struct.__va_list_tag], align 16
  call void @llvm.lifetime.start.p0(i64 24, ptr nonnull %4) #18
  call void @llvm.va_start(ptr nonnull %4)
  %5 = ptrtoint ptr %0 to i64
  %6 = call fastcc i32 @print(i64 noundef %5, ptr noundef %2, ptr noundef nonnull %4) #16
  call void @llvm.va_end(ptr nonnull %4)
  call void @llvm.lifetime.end.p0(i64 24, ptr nonnull %4) #18
  ret i32 %6
}

; Function Attrs: minsize nounwind optsize
define dso_local i32 @h_vprintf(ptr noundef %0, ptr noundef %1) local_unnamed_addr #0 {
  %3 = tail call fastcc i32 @print(i64 noundef 0, ptr noundef %0, ptr noundef %1) #16
  ret i32 %3
}

; Function Attrs: minsize nounwind optsize
define dso_local i32 @h_vfprintf(ptr noundef %0, ptr noundef %1, ptr noundef %2) local_unnamed_addr #0 {
  %4 = ptrtoint ptr %0 to i64
  %5 = tail call fastcc i32 @print(i64 noundef %4, ptr noundef %1, ptr noundef %2) #16
  ret i32 %5
}

; Function Attrs: minsize nounwind optsize
define dso_local i32 @h___vfprintf_chk(ptr noundef %0, i32 noundef %1, ptr noundef %2, ptr noundef %3) local_unnamed_addr #0 {
  %5 = ptrtoint ptr %0 to i64
  %6 = tail call fastcc i32 @print(i64 noundef %5, ptr noundef %2, ptr noundef %3) #16
  ret i32 %6
}

; Function Attrs: minsize nofree nosync nounwind optsize memory(readwrite, inaccessiblemem: none)
define dso_local i32 @h_fputc(i32 noundef %0, ptr noundef %1) local_unnamed_addr #10 {
  %3 = alloca i8, align 1
  call void @llvm.lifetime.start.p0(i64 1, ptr nonnull %3) #18
  %4 = trunc i32 %0 to i8
  store i8 %4, ptr %3, align 1, !tbaa !8
  %5 = ptrtoint ptr %1 to i64
  call fastcc void @put(i64 noundef %5, ptr noundef nonnull %3, i64 noundef 1) #16
  %6 = and i32 %0, 255
  call void @llvm.lifetime.end.p0(i64 1, ptr nonnull %3) #18
  ret i32 %6
}

; Function Attrs: minsize nofree norecurse nosync nounwind optsize memory(readwrite, inaccessiblemem: none)
define internal fastcc void @put(i64 noundef %0, ptr nocapture noundef readonly %1, i64 noundef %2) unnamed_addr #11 {
  br label %4

4:                                                ; preds = %8, %3
  %5 = phi i64 [ 0, %3 ], [ %16, %8 ]
  %6 = icmp eq i64 %5, %2
  br i1 %6, label %7, label %8

7:                                                ; preds = %4
  ret void

8:                                                ; preds = %4
  %9 = load i64, ptr inttoptr (i64 35184372088856 to ptr), align 8, !tbaa !30
  %10 = xor i64 %9, %0
  %11 = getelementptr inbounds i8, ptr %1, i64 %5
  %12 = load i8, ptr %11, align 1, !tbaa !8
  %13 = zext i8 %12 to i64
  %14 = xor i64 %10, %13
  %15 = tail call fastcc i64 @mix(i64 noundef %14) #16
  store i64 %15, ptr inttoptr (i64 35184372088856 to ptr), align 8, !tbaa !30
  %16 = add i64 %5, 1
  br label %4, !llvm.loop !31
}

; Function Attrs: minsize nofree nosync nounwind optsize memory(readwrite, inaccessiblemem: none)
define dso_local i32 @h_putc(i32 noundef %0, ptr noundef %1) local_unnamed_addr #10 {
  %3 = tail call i32 @h_fputc(i32 noundef %0, ptr noundef %1) #16, !range !32
  ret i32 %3
}

; Function Attrs: minsize nofree nosync nounwind optsize memory(readwrite, inaccessiblemem: none)
define dso_local i32 @h_putchar(i32 noundef %0) local_unnamed_addr #10 {
  %2 = tail call i32 @h_fputc(i32 noundef %0, ptr noundef null) #16, !range !32
  ret i32 %2
}

; Function Attrs: minsize nounwind optsize
define dso_local i32 @h_fputs(ptr noundef %0, ptr noundef %1) local_unnamed_addr #0 {
  %3 = ptrtoint ptr %1 to i64
  %4 = tail call i64 @strlen(ptr noundef %0) #17
  tail call fastcc void @put(i64 noundef %3, ptr noundef %0, i64 noundef %4) #16
  ret i32 1
}

; Function Attrs: minsize optsize
declare dso_local i64 @strlen(ptr noundef) local_unnamed_addr #3

; Function Attrs: minsize nounwind optsize
define dso_local i32 @h_puts(ptr noundef %0) local_unnamed_addr #0 {
  %2 = tail call i32 @h_fputs(ptr noundef %0, ptr noundef null) #16
  tail call fastcc void @put(i64 noundef 0, ptr noundef nonnull @.str, i64 noundef 1) #16
  ret i32 1
}

; Function Attrs: minsize nofree norecurse nosync nounwind optsize memory(readwrite, inaccessiblemem: none)
define dso_local i64 @h_fwrite(ptr nocapture noundef readonly %0, i64 noundef %1, i64 noundef %2, ptr noundef %3) local_unnamed_addr #11 {
  %5 = ptrtoint ptr %3 to i64
  %6 = mul i64 %2, %1
  tail call fastcc void @put(i64 noundef %5, ptr noundef %0, i64 noundef %6) #16
  %7 = icmp eq i64 %1, 0
  %8 = select i1 %7, i64 0, i64 %2
  ret i64 %8
}

; Function Attrs: minsize nounwind optsize
define dso_local void @h_handler(i32 noundef %0, ptr nocapture noundef readonly %1, ptr nocapture noundef %2) local_unnamed_addr #0 {
  %4 = getelementptr inbounds i8, ptr %2, i64 168
  %5 = load volatile i32, ptr @armed, align 4, !tbaa !6
  %6 = icmp eq i32 %5, 0
  br i1 %6, label %7, label %9

7:                                                ; preds = %3
  %8 = add nsw i32 %0, 100
  tail call void @_exit(i32 noundef %8) #19
  unreachable

9:                                                ; preds = %3
  %10 = icmp eq i32 %0, 11
  br i1 %10, label %11, label %16

11:                                               ; preds = %9
  %12 = load i64, ptr %4, align 8, !tbaa !2
  %13 = and i64 %12, -16777216
  %14 = icmp eq i64 %13, 35184372088832
  br i1 %14, label %15, label %16

15:                                               ; preds = %11
  store i64 %12, ptr @target, align 8, !tbaa !2
  store i64 ptrtoint (ptr @called to i64), ptr %4, align 8, !tbaa !2
  ret void

16:                                               ; preds = %11, %9
  %17 = getelementptr inbounds i8, ptr %1, i64 16
  %18 = load i64, ptr %17, align 8, !tbaa !2
  store i64 %18, ptr @h_fault, align 8, !tbaa !2
  store volatile i32 0, ptr @armed, align 4, !tbaa !6
  tail call void @siglongjmp(ptr noundef nonnull @jump, i32 noundef %0) #19
  unreachable
}

; Function Attrs: minsize noreturn optsize
declare dso_local void @_exit(i32 noundef) local_unnamed_addr #7

; Function Attrs: minsize nounwind optsize
define internal { i64, double } @called() #0 {
  %1 = load i64, ptr @target, align 8, !tbaa !2
  tail call void @h_call(i64 noundef %1) #16
  %2 = tail call i64 @h_answer(i32 noundef 3) #16
  %3 = and i64 %2, 1
  %4 = insertvalue { i64, double } poison, i64 %3, 0
  %5 = insertvalue { i64, double } %4, double 1.000000e+00, 1
  ret { i64, double } %5
}

; Function Attrs: minsize nounwind optsize
define dso_local i32 @h_guard(ptr nocapture noundef readonly %0, ptr noundef %1, i64 noundef %2) local_unnamed_addr #0 {
  %4 = alloca [4 x i64], align 16
  %5 = alloca [4 x i64], align 16
  call void @llvm.lifetime.start.p0(i64 32, ptr nonnull %4) #18
  store i64 0, ptr %4, align 16, !tbaa !2
  %6 = getelementptr inbounds i64, ptr %4, i64 1
  store i64 0, ptr %6, align 8, !tbaa !2
  %7 = getelementptr inbounds i64, ptr %4, i64 2
  %8 = udiv i64 %2, 1000000
  store i64 %8, ptr %7, align 16, !tbaa !2
  %9 = getelementptr inbounds i64, ptr %4, i64 3
  %10 = urem i64 %2, 1000000
  store i64 %10, ptr %9, align 8, !tbaa !2
  call void @llvm.lifetime.start.p0(i64 32, ptr nonnull %5) #18
  call void @llvm.memset.p0.i64(ptr noundef nonnull align 16 dereferenceable(32) %5, i8 0, i64 32, i1 false)
  %11 = call i32 @__sigsetjmp(ptr noundef nonnull @jump, i32 noundef 1) #20
  %12 = icmp eq i32 %11, 0
  br i1 %12, label %13, label %16

13:                                               ; preds = %3
  call void asm sideeffect "fninit\0A\09cld", "~{dirflag},~{fpsr},~{flags}"() #18, !srcloc !33
  %14 = call ptr @__errno_location() #17
  store i32 0, ptr %14, align 4, !tbaa !6
  %15 = call i32 @setitimer(i32 noundef 2, ptr noundef nonnull %4, ptr noundef null) #17
  call fastcc void @scrub() #16
  store volatile i32 1, ptr @armed, align 4, !tbaa !6
  call void %0(ptr noundef %1) #17
  store volatile i32 0, ptr @armed, align 4, !tbaa !6
  br label %16

16:                                               ; preds = %13, %3
  %17 = call i32 @setitimer(i32 noundef 2, ptr noundef nonnull %5, ptr noundef null) #17
  call void @llvm.lifetime.end.p0(i64 32, ptr nonnull %5) #18
  call void @llvm.lifetime.end.p0(i64 32, ptr nonnull %4) #18
  ret i32 %11
}

; Function Attrs: mustprogress nocallback nofree nounwind willreturn memory(argmem: write)
declare void @llvm.memset.p0.i64(ptr nocapture writeonly, i8, i64, i1 immarg) #12

; Function Attrs: minsize optsize returns_twice
declare dso_local i32 @__sigsetjmp(ptr noundef, i32 noundef) local_unnamed_addr #13

; Function Attrs: minsize optsize
declare dso_local i32 @setitimer(i32 noundef, ptr noundef, ptr noundef) local_unnamed_addr #3

; Function Attrs: minsize nofree noinline nounwind optsize memory(read, argmem: none, inaccessiblemem: readwrite)
define internal fastcc void @scrub() unnamed_addr #14 {
  %1 = alloca [65536 x i8], align 16
  call void @llvm.lifetime.start.p0(i64 65536, ptr nonnull %1) #18
  %2 = load i8, ptr @h_scrub, align 1, !tbaa !8
  %3 = zext i8 %2 to i64
  %4 = mul nuw i64 %3, 72340172838076673
  br label %5

5:                                                ; preds = %9, %0
  %6 = phi i64 [ 0, %0 ], [ %11, %9 ]
  %7 = icmp ult i64 %6, 65536
  br i1 %7, label %9, label %8

8:                                                ; preds = %5
  call void @llvm.lifetime.end.p0(i64 65536, ptr nonnull %1) #18
  ret void

9:                                                ; preds = %5
  %10 = getelementptr inbounds i8, ptr %1, i64 %6
  store volatile i64 %4, ptr %10, align 8, !tbaa !2
  %11 = add nuw nsw i64 %6, 8
  br label %5, !llvm.loop !34
}

; Function Attrs: minsize optsize
declare dso_local i32 @vsnprintf(ptr noundef, i64 noundef, ptr noundef, ptr noundef) local_unnamed_addr #3

; Function Attrs: nocallback nofree nosync nounwind speculatable willreturn memory(none)
declare i32 @llvm.smin.i32(i32, i32) #15

; Function Attrs: nocallback nofree nosync nounwind speculatable willreturn memory(none)
declare i32 @llvm.smax.i32(i32, i32) #15

attributes #0 = { minsize nounwind optsize "min-legal-vector-width"="0" "no-builtins" "no-trapping-math"="true" "stack-protector-buffer-size"="8" "target-cpu"="x86-64" "target-features"="+cmov,+cx8,+fxsr,+mmx,+sse,+sse2,+x87" "tune-cpu"="generic" }
attributes #1 = { minsize mustprogress nofree norecurse nosync nounwind optsize willreturn memory(readwrite, argmem: none, inaccessiblemem: none) "min-legal-vector-width"="0" "no-builtins" "no-trapping-math"="true" "stack-protector-buffer-size"="8" "target-cpu"="x86-64" "target-features"="+cmov,+cx8,+fxsr,+mmx,+sse,+sse2,+x87" "tune-cpu"="generic" }
attributes #2 = { mustprogress nocallback nofree nosync nounwind willreturn memory(argmem: readwrite) }
attributes #3 = { minsize optsize "no-builtins" "no-trapping-math"="true" "stack-protector-buffer-size"="8" "target-cpu"="x86-64" "target-features"="+cmov,+cx8,+fxsr,+mmx,+sse,+sse2,+x87" "tune-cpu"="generic" }
attributes #4 = { minsize mustprogress nofree norecurse nosync nounwind optsize willreturn memory(none) "min-legal-vector-width"="0" "no-builtins" "no-trapping-math"="true" "stack-protector-buffer-size"="8" "target-cpu"="x86-64" "target-features"="+cmov,+cx8,+fxsr,+mmx,+sse,+sse2,+x87" "tune-cpu"="generic" }
attributes #5 = { minsize mustprogress nofree norecurse nosync nounwind optsize willreturn memory(readwrite, inaccessiblemem: none) "min-legal-vector-width"="0" "no-builtins" "no-trapping-math"="true" "stack-protector-buffer-size"="8" "target-cpu"="x86-64" "target-features"="+cmov,+cx8,+fxsr,+mmx,+sse,+sse2,+x87" "tune-cpu"="generic" }
attributes #6 = { minsize noreturn nounwind optsize "min-legal-vector-width"="0" "no-builtins" "no-trapping-math"="true" "stack-protector-buffer-size"="8" "target-cpu"="x86-64" "target-features"="+cmov,+cx8,+fxsr,+mmx,+sse,+sse2,+x87" "tune-cpu"="generic" }
attributes #7 = { minsize noreturn optsize "no-builtins" "no-trapping-math"="true" "stack-protector-buffer-size"="8" "target-cpu"="x86-64" "target-features"="+cmov,+cx8,+fxsr,+mmx,+sse,+sse2,+x87" "tune-cpu"="generic" }
attributes #8 = { mustprogress nocallback nofree nosync nounwind speculatable willreturn memory(none) }
attributes #9 = { mustprogress nocallback nofree nosync nounwind willreturn }
attributes #10 = { minsize nofree nosync nounwind optsize memory(readwrite, inaccessiblemem: none) "min-legal-vector-width"="0" "no-builtins" "no-trapping-math"="true" "stack-protector-buffer-size"="8" "target-cpu"="x86-64" "target-features"="+cmov,+cx8,+fxsr,+mmx,+sse,+sse2,+x87" "tune-cpu"="generic" }
attributes #11 = { minsize nofree norecurse nosync nounwind optsize memory(readwrite, inaccessiblemem: none) "min-legal-vector-width"="0" "no-builtins" "no-trapping-math"="true" "stack-protector-buffer-size"="8" "target-cpu"="x86-64" "target-features"="+cmov,+cx8,+fxsr,+mmx,+sse,+sse2,+x87" "tune-cpu"="generic" }
attributes #12 = { mustprogress nocallback nofree nounwind willreturn memory(argmem: write) }
attributes #13 = { minsize optsize returns_twice "no-builtins" "no-trapping-math"="true" "stack-protector-buffer-size"="8" "target-cpu"="x86-64" "target-features"="+cmov,+cx8,+fxsr,+mmx,+sse,+sse2,+x87" "tune-cpu"="generic" }
attributes #14 = { minsize nofree noinline nounwind optsize memory(read, argmem: none, inaccessiblemem: readwrite) "min-legal-vector-width"="0" "no-builtins" "no-trapping-math"="true" "stack-protector-buffer-size"="8" "target-cpu"="x86-64" "target-features"="+cmov,+cx8,+fxsr,+mmx,+sse,+sse2,+x87" "tune-cpu"="generic" }
attributes #15 = { nocallback nofree nosync nounwind speculatable willreturn memory(none) }
attributes #16 = { minsize nobuiltin optsize "no-builtins" }
attributes #17 = { minsize nobuiltin nounwind optsize "no-builtins" }
attributes #18 = { nounwind }
attributes #19 = { minsize nobuiltin noreturn nounwind optsize "no-builtins" }
attributes #20 = { minsize nobuiltin nounwind optsize returns_twice "no-builtins" }

!llvm.module.flags = !{!0}
!llvm.ident = !{!1}

!0 = !{i32 1, !"wchar_size", i32 4}
!1 = !{!"clang version 17.0.6 (https://github.com/ziglang/zig-bootstrap 4a292e8ac57c58f7a011cbf10602a86180771683)"}
!2 = !{!3, !3, i64 0}
!3 = !{!"long", !4, i64 0}
!4 = !{!"omnipotent char", !5, i64 0}
!5 = !{!"Simple C/C++ TBAA"}
!6 = !{!7, !7, i64 0}
!7 = !{!"int", !4, i64 0}
!8 = !{!4, !4, i64 0}
!9 = !{i64 0, i64 4, !6, i64 4, i64 1, !8, i64 5, i64 1, !8, i64 6, i64 2, !10}
!10 = !{!11, !11, i64 0}
!11 = !{!"short", !4, i64 0}
!12 = !{i64 0, i64 1, !8, i64 1, i64 1, !8, i64 2, i64 2, !10}
!13 = !{i64 0, i64 1, !8, i64 1, i64 2, !10}
!14 = !{i64 0, i64 2, !10}
!15 = !{!16, !3, i64 8}
!16 = !{!"state", !3, i64 0, !3, i64 8, !3, i64 16, !3, i64 24, !3, i64 32, !4, i64 40, !4, i64 16040}
!17 = !{!18, !7, i64 0}
!18 = !{!"out", !7, i64 0, !4, i64 4, !4, i64 5, !11, i64 6}
!19 = distinct !{!19, !20}
!20 = !{!"llvm.loop.mustprogress"}
!21 = !{!16, !3, i64 32}
!22 = !{!23, !23, i64 0}
!23 = !{!"double", !4, i64 0}
!24 = !{!16, !3, i64 16}
!25 = !{!18, !4, i64 4}
!26 = !{!18, !11, i64 6}
!27 = !{!18, !4, i64 5}
!28 = distinct !{!28, !20}
!29 = !{!16, !3, i64 0}
!30 = !{!16, !3, i64 24}
!31 = distinct !{!31, !20}
!32 = !{i32 0, i32 256}
!33 = !{i64 13237, i64 13246}
!34 = distinct !{!34, !20}
